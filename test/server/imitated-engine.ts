import { once } from 'node:events'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { buffer, json } from 'node:stream/consumers'
import { bootIn, LocalServer, type ServerPlace } from '../../src/cli/embedded/local-server.ts'
import { serverUser } from '../../src/cli/embedded/server-user.ts'
import { runnableBinaries } from './binaries.ts'
import { runFolder } from './folders.ts'
import { copyTemplate } from './local.ts'
import { queryOnce } from './sql.ts'

/** What a container is made with. */
interface Creation {
  readonly Image: string
  readonly Entrypoint: readonly string[]
  readonly Cmd: readonly string[]
  readonly Env: readonly string[]
  readonly HostConfig: { readonly PortBindings: Record<string, readonly { readonly HostPort: string }[]> }
}

/** A server with the files that were copied into its container, as far as another place allows. */
class ContainedServer extends LocalServer {
  readonly #files: ReadonlyMap<string, string>
  readonly #place: ServerPlace

  constructor(version: number, files: ReadonlyMap<string, string>, place: ServerPlace) {
    super({ version, superuser: 'postgres', settings: {}, hba: [], tls: undefined }, place)
    this.#files = files
    this.#place = place
  }

  override async prepare(): Promise<void> {
    const { port, user } = this.#place
    for (const [path, content] of this.#files) {
      const target = join(this.dataDir, basename(path))
      // the last of several lines for a setting holds
      const here = `port = ${port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '${this.socketDir}'\n`
      const text = content.replaceAll('/etc/walwire/', '')
      await writeFile(target, basename(path) === 'postgresql.conf' ? text + here : text, { mode: 0o600 })
      if (user) await chown(target, user.uid, user.gid)
    }
  }
}

interface Container {
  readonly creation: Creation
  readonly files: Map<string, string>
  server: ContainedServer | undefined
}

/** A container engine that knows what the provider asks of one, with real servers for containers of `postgres`. */
export interface ImitatedEngine extends AsyncDisposable {
  /** For DOCKER_HOST. */
  readonly address: string
  readonly containers: ReadonlyMap<string, Container>
  /** Requests that it does not know. */
  readonly unknown: readonly string[]
}

/** Starts it, on a socket. */
export async function imitateEngine(): Promise<ImitatedEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'walwire-engine-'))
  const socket = join(folder, 'socket')
  const containers = new Map<string, Container>()
  const unknown: string[] = []
  const results = new Map<string, { exitCode: number; output: string }>()

  const answers: readonly [
    RegExp,
    (id: string, request: IncomingMessage, query: URLSearchParams) => Promise<Answer>,
  ][] = [
    [/^GET \/info$/, async () => ({ body: { ServerVersion: '0', OperatingSystem: 'imitated', OSType: 'linux' } })],
    // who looks for one that cleans up finds none
    [/^GET \/containers\/json$/, async () => ({ body: [] })],
    [/^GET \/images\/(.+)\/json$/, async () => ({ body: {} })],
    [
      /^POST \/containers\/create$/,
      async (_, request) => {
        const creation = await read<Creation>(request)
        const id = `container${containers.size}`
        containers.set(id, { creation, files: new Map(), server: undefined })
        return { status: 201, body: { Id: id } }
      },
    ],
    [
      /^PUT \/containers\/(\w+)\/archive$/,
      async (id, request) => {
        for (const [name, content] of untar(await buffer(request)))
          known(id).files.set(`/${name}`.replace('//', '/'), content)
        await known(id).server?.prepare()
        return {}
      },
    ],
    [
      /^POST \/containers\/(\w+)\/(?:re)?start$/,
      async (id) => {
        await boot(known(id))
        return { status: 204 }
      },
    ],
    [
      /^GET \/containers\/(\w+)\/json$/,
      async (id) => {
        const { creation, server } = known(id)
        const ports = server?.running ? creation.HostConfig.PortBindings : {}
        return {
          body: {
            Name: id,
            Config: { Hostname: id, Labels: {} },
            HostConfig: creation.HostConfig,
            State: { Status: 'running', Running: server?.running, StartedAt: new Date(), FinishedAt: new Date(0) },
            NetworkSettings: {
              Ports: Object.fromEntries(
                Object.entries(ports).map(([port, [binding]]) => [port, [{ HostIp: '0.0.0.0', ...binding }]]),
              ),
              Networks: {},
            },
          },
        }
      },
    ],
    [
      /^POST \/containers\/(\w+)\/exec$/,
      async (id, request) => {
        const command = await read<{ Cmd: string[]; Env?: string[] }>(request)
        const execution = `execution${results.size}`
        results.set(execution, await execute(known(id), command))
        return { status: 201, body: { Id: execution } }
      },
    ],
    [/^POST \/exec\/(\w+)\/start$/, async (id) => ({ frames: results.get(id)?.output ?? '' })],
    [/^GET \/exec\/(\w+)\/json$/, async (id) => ({ body: { ExitCode: results.get(id)?.exitCode } })],
    [
      /^POST \/containers\/(\w+)\/kill$/,
      async (id, _, query) => {
        const signal = (['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGQUIT'] as const).find(
          (name) => name === query.get('signal'),
        )
        if (signal === undefined) throw new Error('no such signal')
        await known(id).server?.signal(signal)
        return { status: 204 }
      },
    ],
    [
      /^POST \/containers\/(\w+)\/wait$/,
      async (id) => {
        await known(id).server?.ended()
        return { body: { StatusCode: 0 } }
      },
    ],
    [
      /^GET \/containers\/(\w+)\/logs$/,
      async (id, _, query) => {
        const { server } = known(id)
        // a log that is followed ends with the container
        if (query.get('follow') === 'true') await server?.ended()
        return { frames: (await server?.readLog()) ?? '' }
      },
    ],
    [
      /^POST \/containers\/(\w+)\/stop$/,
      async (id) => {
        const { server } = known(id)
        // as an engine answers for a container that has ended
        if (!server?.running) return { status: 304 }
        await server.signal('SIGQUIT')
        await server.ended()
        return { status: 204 }
      },
    ],
    [
      /^DELETE \/containers\/(\w+)$/,
      async (id) => {
        await known(id).server?.remove()
        containers.delete(id)
        return { status: 204 }
      },
    ],
  ]

  const known = (id: string): Container => {
    const container = containers.get(id)
    if (container === undefined) throw new Error(`no container ${id}`)
    return container
  }

  const engine = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://engine')
    const asked = `${request.method} ${url.pathname}`
    for (const [pattern, answer] of answers) {
      const [, id = ''] = pattern.exec(asked) ?? []
      if (!pattern.test(asked)) continue
      await answer(id, request, url.searchParams).then(
        (given) => reply(response, given),
        (error: unknown) => reply(response, { status: 500, body: { message: String(error) } }),
      )
      return
    }
    unknown.push(asked)
    reply(response, { status: 404, body: { message: `the imitated engine does not know ${asked}` } })
  })
  engine.listen(socket)
  await once(engine, 'listening')
  return {
    address: `unix://${socket}`,
    containers,
    unknown,
    async [Symbol.asyncDispose]() {
      for (const { server } of containers.values()) await server?.remove()
      engine.close()
      engine.closeAllConnections()
      await rm(folder, { recursive: true })
    },
  }
}

interface Answer {
  readonly status?: number
  readonly body?: object
  /** Sent as output is, each piece behind a header. */
  readonly frames?: string
}

function reply(response: ServerResponse, { status = 200, body, frames }: Answer): void {
  if (frames !== undefined) {
    response.writeHead(status, { 'content-type': 'application/vnd.docker.raw-stream' })
    // in two pieces where there is anything to divide
    for (const piece of [frames.slice(0, 10), frames.slice(10)]) {
      const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])
      header.writeUInt32BE(Buffer.byteLength(piece), 4)
      response.write(Buffer.concat([header, Buffer.from(piece)]))
    }
    response.end()
  } else {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(body === undefined ? undefined : JSON.stringify(body))
  }
}

async function read<Body>(request: IncomingMessage): Promise<Body> {
  const body: Body = JSON.parse(JSON.stringify(await json(request)))
  return body
}

/** Starts the container's server, on the port of the host that is bound to it. */
async function boot(container: Container): Promise<void> {
  if (container.server) return await container.server.start()
  const { Image, Env, HostConfig } = container.creation
  const version = Number(/^postgres:(\d+)$/.exec(Image)?.[1])
  const environment = Object.fromEntries(
    Env.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  const superuser = { name: environment.POSTGRES_USER ?? '', password: environment.POSTGRES_PASSWORD ?? '' }
  const [binaries, user] = await Promise.all([runnableBinaries(version), serverUser()])
  container.server = await bootIn({
    parent: await runFolder(),
    prefix: 'run-',
    user,
    port: Number(HostConfig.PortBindings['5432/tcp']?.[0]?.HostPort),
    async furnish(folder) {
      await copyTemplate(binaries, superuser, user, folder)
      return binaries.bin
    },
    server: (place) => new ContainedServer(version, container.files, place),
  })
}

/** What runs in the container: a look whether the port is bound, and psql. */
async function execute({ server }: Container, { Cmd, Env = [] }: { Cmd: string[]; Env?: string[] }) {
  const isUp = server?.running === true
  if (Cmd[0] !== 'psql' || !isUp) return { exitCode: isUp && Cmd[0] !== 'psql' ? 0 : 1, output: '' }
  const after = (option: string) => Cmd[Cmd.indexOf(option) + 1] ?? ''
  const password = Env.find((line) => line.startsWith('PGPASSWORD='))?.slice('PGPASSWORD='.length) ?? ''
  const target = { host: server.socketDir, port: server.port, user: after('-U'), password, database: after('-d') }
  return await queryOnce(target, after('-c')).then(
    (output) => ({ exitCode: 0, output: `${output}\n` }),
    (error: unknown) => ({ exitCode: 1, output: String(error) }),
  )
}

/** The files in an archive: blocks of 512 bytes, a header for each file and then what is in it. */
function* untar(archive: Buffer): Generator<[name: string, content: string]> {
  for (let at = 0; at + 512 <= archive.length; ) {
    const header = archive.subarray(at, at + 512)
    const name = header.toString('latin1', 0, 100).replace(/\0.*$/s, '')
    if (name === '') return
    const size = Number.parseInt(header.toString('latin1', 124, 136), 8)
    yield [name, archive.toString('utf8', at + 512, at + 512 + size)]
    at += 512 + Math.ceil(size / 512) * 512
  }
}
