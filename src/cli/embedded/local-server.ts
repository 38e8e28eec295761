import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, chown, mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { serverEnvironment } from './data-folder.ts'
import { freePort } from './free-port.ts'
import { renderHba, renderSettings, type Settings } from './server-files.ts'
import type { ServerUser } from './server-user.ts'
import { forgetPid, recordingPid, startWatchdog, type Watchdog } from './watchdog.ts'

const startTimeoutMs = 60_000
const pollMs = 10

/** What a server is to be, wherever it runs. */
export interface ServerConfiguration {
  /** The major version. */
  readonly version: number
  /** The superuser's name. */
  readonly superuser: string
  readonly settings: Settings
  /** Lines of pg_hba.conf. */
  readonly hba: readonly string[]
  /** PEM texts; undefined is a server without TLS. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string } | undefined
}

/** Where a server runs. */
export interface ServerPlace {
  /** Holds the data folder `data`, the log, and the unix socket. */
  readonly folder: string
  /** The folder of the binary `postgres`. */
  readonly bin: string
  readonly user: ServerUser | undefined
  readonly watchdog: Watchdog
  readonly port: number
}

/** How a server is given a folder and a port, see {@link bootIn}. */
export interface BootPlan<Server> {
  /** The folder that the server's own folder is made in. */
  readonly parent: string
  /** What the name of the server's folder begins with. */
  readonly prefix: string
  readonly user: ServerUser | undefined
  /** The port; undefined is any that is free. */
  readonly port?: number | undefined
  readonly signal?: AbortSignal | undefined
  /**
   * Puts the data folder `data` into the server's folder, and answers where the binaries are. It has to end soon after
   * the signal, and to write nothing into the folder after that.
   */
  readonly furnish: (folder: string) => Promise<string>
  readonly server: (place: ServerPlace) => Server
}

/**
 * Boots a server in a new folder, which is watched from its first moment: it goes with the server, and both go with
 * this process, however that ends.
 *
 * @throws ServerDidNotStart; whatever `furnish` throws; the signal's reason
 */
export async function bootIn<Server extends LocalServer>(plan: BootPlan<Server>): Promise<Server> {
  const { parent, prefix, user, signal } = plan
  const folder = join(parent, `${prefix}${randomBytes(6).toString('hex')}`)
  const watchdog = startWatchdog(folder)
  try {
    await mkdir(folder, { mode: 0o700 })
    // The client connects as another user than the server's; mkdir alone would obey the umask.
    await chmod(folder, 0o755)
    if (user) await chown(folder, user.uid, user.gid)
    const bin = await plan.furnish(folder)
    for (let attempt = 1; ; attempt++) {
      const server = plan.server({ folder, bin, user, watchdog, port: plan.port ?? (await freePort()) })
      await server.prepare()
      try {
        await server.start(signal)
        return server
      } catch (error) {
        // Between our look and the server's bind another process took the port.
        const taken = (await server.readLog()).includes('could not bind')
        if (!taken || plan.port !== undefined || attempt === 5) throw error
      }
    }
  } catch (error) {
    await watchdog.end()
    signal?.throwIfAborted()
    throw error
  }
}

/** The server ended instead of taking connections, or did not get there in time. */
export class ServerDidNotStart extends Error {
  override readonly name = 'ServerDidNotStart'
  readonly log: string

  constructor(version: number, log: string, cause: unknown) {
    super(`PostgreSQL ${version} did not start. Its log:\n${log}`, { cause })
    this.log = log
  }
}

/** A server that is a process of this machine. */
export class LocalServer {
  readonly host = '127.0.0.1'
  readonly port: number
  /** The folder of the unix socket. */
  readonly socketDir: string
  readonly dataDir: string
  readonly #configuration: ServerConfiguration
  readonly #place: ServerPlace
  readonly #log: string
  #process: ChildProcess | undefined

  constructor(configuration: ServerConfiguration, place: ServerPlace) {
    this.#configuration = configuration
    this.#place = place
    this.port = place.port
    this.socketDir = place.folder
    this.dataDir = join(place.folder, 'data')
    this.#log = join(place.folder, 'log')
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  /** Writes all that the server reads when it starts. */
  async prepare(): Promise<void> {
    const { settings, tls, hba } = this.#configuration
    await this.writeSettings(settings)
    await this.writeHba(hba)
    if (tls) {
      await this.#put('server.crt', tls.cert)
      await this.#put('server.key', tls.key)
      await this.#put('ca.crt', tls.ca)
    }
  }

  /** Writes postgresql.conf. What is given is stronger than where the server is. */
  async writeSettings(settings: Settings): Promise<void> {
    const place = { listen_addresses: this.host, port: this.port, unix_socket_directories: this.socketDir }
    const tls = this.#configuration.tls ? { ssl: true, ssl_ca_file: 'ca.crt' } : {}
    await this.#put('postgresql.conf', renderSettings({ ...place, ...tls, ...settings }))
  }

  /** Writes pg_hba.conf. */
  async writeHba(lines: readonly string[]): Promise<void> {
    await this.#put('pg_hba.conf', renderHba(this.#configuration.superuser, lines))
  }

  async #put(file: string, text: string): Promise<void> {
    const path = join(this.dataDir, file)
    await writeFile(path, text, { mode: 0o600 })
    const { user } = this.#place
    if (user) await chown(path, user.uid, user.gid)
  }

  /**
   * Starts the server and waits until it takes connections.
   *
   * @throws ServerDidNotStart; the signal's reason
   */
  async start(signal?: AbortSignal): Promise<void> {
    const { folder, bin, user } = this.#place
    const log = await open(this.#log, 'a')
    try {
      const [shell, args] = recordingPid(folder, [join(bin, 'postgres'), '-D', this.dataDir])
      const server = spawn(shell, args, {
        cwd: '/',
        env: serverEnvironment,
        // Ctrl-C at our terminal is not for the server.
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        ...user,
      })
      // A server that nobody stopped does not keep this process alive.
      server.unref()
      this.#process = server
      server.once('exit', () => {
        this.#process = undefined
        forgetPid(folder)
      })
    } finally {
      await log.close()
    }
    const deadline = performance.now() + startTimeoutMs
    while (!(await this.#isReady())) {
      signal?.throwIfAborted()
      const why = !this.running ? 'the process ended' : performance.now() > deadline ? 'it took too long' : undefined
      if (why !== undefined) throw new ServerDidNotStart(this.#configuration.version, await this.readLog(), why)
      await delay(pollMs)
    }
  }

  /** As pg_ctl sees it: the server writes its state into line 8 of its lock file. */
  async #isReady(): Promise<boolean> {
    const lines = (await readFile(join(this.dataDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
    // A lock file that a crash left behind has the pid of that run.
    return lines[0] === String(this.#process?.pid) && ['ready', 'standby'].includes(lines[7]?.trim() ?? '')
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    this.#process?.kill(name)
  }

  /** Resolves when no server runs any more. */
  async ended(): Promise<void> {
    if (!this.#process) return
    this.#process.ref()
    await once(this.#process, 'exit')
  }

  /** The server's log so far. */
  async readLog(): Promise<string> {
    return await readFile(this.#log, 'utf8').catch(() => '')
  }

  /** Ends the server at once and removes all that it left. */
  async remove(): Promise<void> {
    const ended = this.ended()
    await this.signal('SIGQUIT')
    await ended
    await this.#place.watchdog.end()
  }
}
