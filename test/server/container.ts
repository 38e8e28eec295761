import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from 'testcontainers'
import { freePort } from '../../src/cli/embedded/free-port.ts'
import { renderHba, renderSettings, type Settings } from '../../src/cli/embedded/server-files.ts'
import { defaultSettings } from './config.ts'
import type { ServerHost, ServerPlan, stopSignals } from './host.ts'
import { waitUntil } from './wait.ts'

const postgresPort = 5432
const configFolder = '/etc/walwire'
const startTimeoutMs = 120_000

/**
 * Boots a server from the image `postgres:<version>`.
 * @throws Error where no container engine answers: a test that was to run in a container is never skipped in silence.
 */
export async function bootContainer(plan: ServerPlan): Promise<ServerHost> {
  try {
    await getContainerRuntimeClient()
  } catch (cause) {
    throw new Error(
      'WALWIRE_TEST_SERVER=testcontainers, but no container engine answers. Start Docker, or name its address in ' +
        `DOCKER_HOST, or unset WALWIRE_TEST_SERVER to run the installed binaries. (${String(cause)})`,
      { cause },
    )
  }
  const port = await freePort()
  const files = [
    { target: `${configFolder}/postgresql.conf`, content: settingsText(plan, plan.settings) },
    { target: `${configFolder}/pg_hba.conf`, content: renderHba(plan.superuser.name, plan.hba) },
  ]
  if (plan.tls) {
    files.push({ target: `${configFolder}/server.crt`, content: plan.tls.cert })
    files.push({ target: `${configFolder}/server.key`, content: plan.tls.key })
    files.push({ target: `${configFolder}/ca.crt`, content: plan.tls.ca })
  }
  const server = `postgres -c config_file=${configFolder}/postgresql.conf -c hba_file=${configFolder}/pg_hba.conf`
  const container = await new GenericContainer(`postgres:${plan.version}`)
    .withEnvironment({
      POSTGRES_USER: plan.superuser.name,
      POSTGRES_PASSWORD: plan.superuser.password,
      POSTGRES_DB: 'postgres',
      POSTGRES_INITDB_ARGS: '--locale=C.UTF-8 --encoding=UTF8 --auth=scram-sha-256',
    })
    // Files copied in belong to root with the mode of the archive; Postgres wants its key to be its own and closed.
    .withEntrypoint(['sh', '-c'])
    .withCommand([
      `chown -R postgres ${configFolder} && chmod -R go= ${configFolder} && exec docker-entrypoint.sh ${server}`,
    ])
    .withCopyContentToContainer(files)
    // A fixed port of ours: one that the engine chose would change with each restart.
    .withExposedPorts({ container: postgresPort, host: port })
    .withWaitStrategy(Wait.forListeningPorts())
    .withStartupTimeout(startTimeoutMs)
    .start()
  const host = new ContainerServer(plan, container, port)
  await host.ready()
  return host
}

class ContainerServer implements ServerHost {
  readonly host: string
  readonly port: number
  readonly #plan: ServerPlan
  readonly #container: StartedTestContainer
  #running = true

  constructor(plan: ServerPlan, container: StartedTestContainer, port: number) {
    this.#plan = plan
    this.#container = container
    this.host = container.getHost()
    this.port = port
  }

  get socketDir(): string {
    throw new Error('the unix socket of a container is out of reach: run this test with the installed binaries')
  }

  get dataDir(): string {
    throw new Error('the data folder of a container is out of reach: run this test with the installed binaries')
  }

  get running(): boolean {
    return this.#running
  }

  async ready(): Promise<void> {
    // The wait strategy looks for an open port alone, which a server in recovery has too.
    const answers = () => this.query('SELECT 1').catch(() => '')
    await waitUntil('the server in the container to take connections', answers, startTimeoutMs)
  }

  async writeSettings(settings: Settings): Promise<void> {
    await this.#put('postgresql.conf', settingsText(this.#plan, settings))
  }

  async writeHba(lines: readonly string[]): Promise<void> {
    await this.#put('pg_hba.conf', renderHba(this.#plan.superuser.name, lines))
  }

  async #put(file: string, content: string): Promise<void> {
    await this.#container.copyContentToContainer([{ target: `${configFolder}/${file}`, content, mode: 0o644 }])
  }

  async start(): Promise<void> {
    await this.#container.restart()
    this.#running = true
    await this.ready()
  }

  async signal(name: 'SIGHUP' | (typeof stopSignals)[keyof typeof stopSignals]): Promise<void> {
    // docker-entrypoint.sh replaces itself by the server, which so is process 1. Not by exec: a `kill` inside is killed
    // with the container, and may not live to say that it succeeded.
    await (await this.#engine()).kill({ signal: name })
  }

  async ended(): Promise<void> {
    await (await this.#engine()).wait()
    this.#running = false
  }

  /** The container as the engine's own interface has it, for what testcontainers' does not offer. */
  async #engine() {
    return (await getContainerRuntimeClient()).container.getById(this.#container.getId())
  }

  async query(sql: string): Promise<string> {
    const { name, password } = this.#plan.superuser
    const command = ['psql', '-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-U', name, '-d', 'postgres', '-c', sql]
    return (await this.#exec(command, { PGPASSWORD: password })).trim()
  }

  async #exec(command: string[], env: Record<string, string> = {}): Promise<string> {
    const { exitCode, stdout, stderr } = await this.#container.exec(command, { env })
    if (exitCode !== 0) throw new Error(`${command[0]} failed in the container (${exitCode}): ${stderr}`)
    return stdout
  }

  async readLog(): Promise<string> {
    // testcontainers' own logs() follows them, and so ends with the container alone
    const frames = await (await this.#engine()).logs({ follow: false, stdout: true, stderr: true })
    return withoutFrames(frames)
  }

  async remove(): Promise<void> {
    await this.#container.stop({ timeout: 0, remove: true, removeVolumes: true })
    this.#running = false
  }
}

/** The engine sends each piece of output behind 8 bytes: which stream it is of, and in the last four how long it is. */
function withoutFrames(frames: Buffer): string {
  const pieces: Buffer[] = []
  for (let at = 0; at + 8 <= frames.length; ) {
    const begin = at + 8
    at = begin + frames.readUInt32BE(at + 4)
    pieces.push(frames.subarray(begin, at))
  }
  return Buffer.concat(pieces).toString()
}

function settingsText(plan: ServerPlan, settings: Settings): string {
  const place = { listen_addresses: '*', port: postgresPort }
  const tls = {
    ssl: true,
    ssl_cert_file: `${configFolder}/server.crt`,
    ssl_key_file: `${configFolder}/server.key`,
    ssl_ca_file: `${configFolder}/ca.crt`,
  }
  return renderSettings({ ...defaultSettings, ...place, ...(plan.tls ? tls : {}), ...settings })
}
