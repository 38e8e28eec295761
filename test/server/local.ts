import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { chmod, chown, mkdtemp, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { runnableBinaries } from './binaries.ts'
import { defaultSettings, renderHba, renderSettings, type Settings } from './config.ts'
import type { ServerHost, ServerPlan } from './host.ts'
import { freePort } from './port.ts'
import { queryOnce } from './sql.ts'
import { dataTemplate, serverEnvironment } from './template.ts'
import { runFolder, type ServerUser, serverUser } from './temporary.ts'
import { waitUntil } from './wait.ts'

const run = promisify(execFile)
const startTimeoutMs = 60_000

/** Boots a server from the installed binaries, as a process of this machine. */
export async function bootLocal(plan: ServerPlan): Promise<ServerHost> {
  const [binaries, user, runs] = await Promise.all([runnableBinaries(plan.version), serverUser(), runFolder()])
  const template = await dataTemplate(binaries, plan.superuser, user)
  const folder = await mkdtemp(join(runs, 'run-'))
  const watchdog = startWatchdog(folder)
  try {
    if (user) await chown(folder, user.uid, user.gid)
    // The client connects as another user than the server's.
    await chmod(folder, 0o755)
    // `cp` and not fs.cp, because it runs as the server's user, who then owns all of it.
    await run('cp', ['-R', template, join(folder, 'data')], { cwd: '/', ...user })
    for (let attempt = 1; ; attempt++) {
      const server = new LocalServer(plan, { folder, bin: binaries.bin, user, watchdog, port: await freePort() })
      await server.prepare()
      try {
        await server.start()
        return server
      } catch (error) {
        // Between our look and the server's bind another process took the port.
        const taken = (await server.readLog()).includes('could not bind')
        if (!taken || attempt === 5) throw error
      }
    }
  } catch (error) {
    await endWatchdog(watchdog)
    throw error
  }
}

interface Place {
  readonly folder: string
  readonly bin: string
  readonly user: ServerUser | undefined
  readonly watchdog: ChildProcess
  readonly port: number
}

class LocalServer implements ServerHost {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly socketDir: string
  readonly dataDir: string
  readonly #plan: ServerPlan
  readonly #place: Place
  readonly #log: string
  #process: ChildProcess | undefined

  constructor(plan: ServerPlan, place: Place) {
    this.#plan = plan
    this.#place = place
    this.port = place.port
    this.socketDir = place.folder
    this.dataDir = join(place.folder, 'data')
    this.#log = join(place.folder, 'log')
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  async prepare(): Promise<void> {
    const { settings, tls, hba } = this.#plan
    await this.writeSettings(settings)
    await this.writeHba(hba)
    if (tls) {
      await this.#put('server.crt', tls.cert)
      await this.#put('server.key', tls.key)
      await this.#put('ca.crt', tls.ca)
    }
  }

  async writeSettings(settings: Settings): Promise<void> {
    const place = { listen_addresses: this.host, port: this.port, unix_socket_directories: this.socketDir }
    const tls = this.#plan.tls ? { ssl: true, ssl_ca_file: 'ca.crt' } : {}
    await this.#put('postgresql.conf', renderSettings({ ...defaultSettings, ...place, ...tls, ...settings }))
  }

  async writeHba(lines: readonly string[]): Promise<void> {
    await this.#put('pg_hba.conf', renderHba(this.#plan.superuser.name, lines))
  }

  async #put(file: string, text: string): Promise<void> {
    const path = join(this.dataDir, file)
    await writeFile(path, text, { mode: 0o600 })
    const { user } = this.#place
    if (user) await chown(path, user.uid, user.gid)
  }

  async start(): Promise<void> {
    const { folder, bin, user } = this.#place
    const log = await open(this.#log, 'a')
    try {
      // The shell leaves its pid, which is the server's, for the watchdog; where the watchdog was faster and renamed
      // the folder, it fails and no server starts.
      const server = spawn(
        '/bin/sh',
        ['-c', 'echo $$ > "$0" && exec "$@"', join(folder, 'pid'), join(bin, 'postgres'), '-D', this.dataDir],
        // Detached: Ctrl-C at the test run's terminal is not for the server.
        { cwd: '/', env: serverEnvironment, detached: true, stdio: ['ignore', log.fd, log.fd], ...user },
      )
      // A server that nobody stopped does not keep its test process alive.
      server.unref()
      this.#process = server
      server.once('exit', () => {
        this.#process = undefined
        // Another process may get this pid, which the watchdog would then end.
        rmSync(join(folder, 'pid'), { force: true })
      })
    } finally {
      await log.close()
    }
    try {
      await waitUntil('the server to take connections', () => this.#isReady(), startTimeoutMs)
    } catch (cause) {
      throw new Error(`PostgreSQL ${this.#plan.version} did not start. Its log:\n${await this.readLog()}`, { cause })
    }
  }

  /** As pg_ctl sees it: the server writes its state into line 8 of its lock file. */
  async #isReady(): Promise<boolean> {
    if (!this.#process) throw new Error('the server process ended')
    const lines = (await readFile(join(this.dataDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
    // A lock file that a crash left behind has the pid of that run.
    return lines[0] === String(this.#process.pid) && ['ready', 'standby'].includes(lines[7]?.trim() ?? '')
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    this.#process?.kill(name)
  }

  async ended(): Promise<void> {
    if (!this.#process) return
    this.#process.ref()
    await once(this.#process, 'exit')
  }

  async query(sql: string): Promise<string> {
    const { name: user, password } = this.#plan.superuser
    return await queryOnce({ host: this.socketDir, port: this.port, user, password, database: 'postgres' }, sql)
  }

  async readLog(): Promise<string> {
    return await readFile(this.#log, 'utf8').catch(() => '')
  }

  async remove(): Promise<void> {
    const ended = this.ended()
    await this.signal('SIGQUIT')
    await ended
    await endWatchdog(this.#place.watchdog)
  }
}

function startWatchdog(folder: string): ChildProcess {
  const script = fileURLToPath(new URL('watchdog.sh', import.meta.url))
  const watchdog = spawn('/bin/sh', [script, folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  watchdog.unref()
  return watchdog
}

async function endWatchdog(watchdog: ChildProcess): Promise<void> {
  if (watchdog.exitCode !== null) return
  watchdog.ref()
  watchdog.stdin?.end()
  await once(watchdog, 'exit')
}
