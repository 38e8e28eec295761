import { createServer, type Server, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { createSecureContext, TLSSocket } from 'node:tls'
import { sessionBegins } from '../messages/server-messages.ts'
import { answerToLook, type FakeSession } from '../messages/settings-look.ts'

/**
 * A server that does what a test's script says, byte for byte: to misbehave in ways that a real one does not. It decodes
 * by hand, and does nothing that it is not told.
 */

/** What a client sent first: three messages have no tag, and are told apart by a number where the version would be. */
export type FirstMessage =
  | { readonly kind: 'ssl' }
  | { readonly kind: 'gssenc' }
  | { readonly kind: 'cancel'; readonly processId: number; readonly secretKey: Uint8Array }
  | { readonly kind: 'startup'; readonly version: number; readonly parameters: ReadonlyMap<string, string> }

export interface TaggedMessage {
  readonly tag: string
  readonly body: Buffer
}

/** The client, as the script sees it. */
export class Peer {
  /** Everything that came in plaintext. */
  readonly received: Buffer[] = []
  /** What the client named in TLS; false where it did not, undefined without TLS. */
  serverName: string | false | undefined
  #stream: Duplex
  #buffered: Buffer = Buffer.alloc(0)
  #over = false
  #changed: () => void = () => {}

  constructor(stream: Duplex) {
    this.#stream = stream
    this.#listen((chunk) => this.received.push(chunk))
  }

  #listen(record: (chunk: Buffer) => void): void {
    const stream = this.#stream
    stream.on('data', (chunk: Buffer) => {
      record(chunk)
      this.#buffered = Buffer.concat([this.#buffered, chunk])
      this.#changed()
    })
    stream.on('error', () => {})
    for (const event of ['end', 'close']) {
      stream.on(event, () => {
        if (stream !== this.#stream) return
        this.#over = true
        this.#changed()
      })
    }
  }

  /** The next so many bytes. @throws Error when the client left before. */
  async read(length: number): Promise<Buffer> {
    while (this.#buffered.length < length) {
      if (this.#over) throw new Error('the client has left')
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
    const taken = this.#buffered.subarray(0, length)
    this.#buffered = this.#buffered.subarray(length)
    return taken
  }

  /** Until the client has left. */
  async gone(): Promise<void> {
    while (!this.#over) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  async first(): Promise<FirstMessage> {
    const length = (await this.read(4)).readInt32BE()
    const body = await this.read(length - 4)
    const code = body.readInt32BE()
    if (code === 80877103) return { kind: 'ssl' }
    if (code === 80877104) return { kind: 'gssenc' }
    if (code === 80877102) return { kind: 'cancel', processId: body.readInt32BE(4), secretKey: body.subarray(8) }
    const parts = body.subarray(4).toString('utf8').split('\0')
    const parameters = new Map<string, string>()
    for (let index = 0; parts[index]; index += 2) parameters.set(parts[index] ?? '', parts[index + 1] ?? '')
    return { kind: 'startup', version: code, parameters }
  }

  /** A startup message, with any request for TLS answered by N before it. */
  async startup(): Promise<ReadonlyMap<string, string>> {
    for (;;) {
      const first = await this.first()
      if (first.kind === 'startup') return first.parameters
      if (first.kind === 'cancel') throw new Error('the client sent a cancel request')
      this.send(Buffer.from('N'))
    }
  }

  /** The whole of a login without a password. */
  async welcome(serverVersion?: string): Promise<ReadonlyMap<string, string>> {
    const parameters = await this.startup()
    await this.begin(serverVersion)
    return parameters
  }

  /** All that follows a successful authentication, until the client can use the session. */
  async begin(serverVersion?: string): Promise<void> {
    this.send(sessionBegins(serverVersion))
    await this.lookedAt()
  }

  /** Answers the client's look at its settings. */
  async lookedAt(session?: FakeSession): Promise<void> {
    this.send(answerToLook(await this.text('Q'), session))
  }

  async message(): Promise<TaggedMessage> {
    const head = await this.read(5)
    return { tag: head.toString('latin1', 0, 1), body: await this.read(head.readInt32BE(1) - 4) }
  }

  /** The next message's text without its zero byte. @throws Error when it is of another type. */
  async text(tag: string): Promise<string> {
    const got = await this.message()
    if (got.tag !== tag) throw new Error(`the client sent ${got.tag} and not ${tag}`)
    return got.body.toString('utf8').replace(/\0$/, '')
  }

  send(...chunks: Uint8Array[]): void {
    if (!this.#stream.destroyed && this.#stream.writable) this.#stream.write(Buffer.concat(chunks))
  }

  /** Sends, and resolves when the system has taken it: the next one is a chunk of its own, mostly. */
  async sendAlone(chunk: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#stream.write(chunk, () => setImmediate(resolve))
    })
  }

  /** Answers the request for TLS with yes, and does the handshake. */
  async startTls(options: { readonly key: string; readonly cert: string }, extra = ''): Promise<void> {
    const plain = this.#stream
    plain.removeAllListeners('data')
    plain.write(`S${extra}`)
    const secured = new TLSSocket(plain, {
      isServer: true,
      secureContext: createSecureContext(options),
      SNICallback: (name, done) => {
        this.serverName = name
        done(null)
      },
    })
    this.serverName = false
    this.#stream = secured
    this.#listen(() => {})
    await new Promise<void>((resolve, reject) => {
      secured.once('secure', () => resolve())
      secured.once('error', reject)
      secured.once('close', () => reject(new Error('the client left in the handshake')))
    })
  }

  end(): void {
    this.#stream.end()
  }

  /** Closes without a word; over TCP as a reset. */
  reset(): void {
    const stream = this.#stream
    if ('resetAndDestroy' in stream && typeof stream.resetAndDestroy === 'function') stream.resetAndDestroy()
    else stream.destroy()
  }
}

export type Script = (peer: Peer) => Promise<void> | void

/** A fake server that listens. */
export interface FakeServer extends AsyncDisposable {
  readonly port: number
  readonly peers: readonly Peer[]
  /** What the scripts threw; a client that left is no failure. */
  readonly failures: readonly unknown[]
}

/** Listens on loopback, runs the script for every connection, and closes the connection when it is through. */
export async function fakeServer(script: Script): Promise<FakeServer> {
  const peers: Peer[] = []
  const failures: unknown[] = []
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    const peer = new Peer(socket)
    peers.push(peer)
    run(script, peer, failures)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the fake server has no port')
  return {
    port: address.port,
    peers,
    failures,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** For `connect`: an in-memory stream with the script at its other end, a new one for each call. */
export function fakeStream(script: Script, failures: unknown[] = []): () => Promise<Duplex> {
  return async () => {
    const [client, server] = duplexPair()
    run(script, new Peer(server), failures)
    return client
  }
}

function run(script: Script, peer: Peer, failures: unknown[]): void {
  Promise.resolve(peer)
    .then(script)
    .catch((error: unknown) => failures.push(error))
    .finally(() => peer.end())
}

/** Two streams, each of which gives what is written to the other, chunk by chunk, with back-pressure. */
export function duplexPair(): [Duplex, Duplex] {
  const a = new Half()
  const b = new Half()
  a.other = b
  b.other = a
  return [a, b]
}

class Half extends Duplex {
  other: Half | undefined
  #taken: (() => void) | undefined

  constructor() {
    // as the sockets have it, so that nothing hides in the stream itself
    super({ readableHighWaterMark: 1 })
  }

  override _read(): void {
    const taken = this.#taken
    this.#taken = undefined
    taken?.()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const { other } = this
    if (other === undefined || other.destroyed) {
      done()
      return
    }
    // later, as with a socket: never inside the writer's own call
    setImmediate(() => {
      if (other.push(chunk)) done()
      else other.#taken = done
    })
  }

  override _final(done: () => void): void {
    const { other } = this
    setImmediate(() => {
      other?.push(null)
      done()
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { other } = this
    setImmediate(() => {
      if (other && !other.destroyed && !other.readableEnded) other.push(null)
    })
    done(error)
  }
}
