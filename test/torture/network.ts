import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** When a system finds out that nobody is at the other end any more, where nobody else does. */
const keepaliveMs = 5000

/** Which way bytes go. */
export type Direction = 'to-client' | 'to-server'

/** How a connection is ended: as one that closes, as one that breaks, or without a word to either side. */
export type Ending = 'close' | 'reset' | 'swallow'

interface Pair {
  readonly client: Socket
  readonly server: Socket
  swallowed: boolean
}

/**
 * Stands between a feed and its server, and does to the bytes what networks do. Both may come and go behind it: its own port
 * stays.
 */
export class Network implements AsyncDisposable {
  readonly #target: { readonly host: string; readonly port: number }
  readonly #listener: Server
  readonly #pairs = new Set<Pair>()
  /** The next bytes in a direction that still pass, and what happens then. */
  #cut: { direction: Direction; left: number; ending: Ending; struck: () => void } | undefined
  #stalled = false
  #refusing = false

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target
    this.#listener = createServer({ noDelay: true, allowHalfOpen: false }, (client) => this.#accept(client))
  }

  static async before(target: { readonly host: string; readonly port: number }): Promise<Network> {
    const network = new Network(target)
    network.#listener.listen(0, '127.0.0.1')
    await once(network.#listener, 'listening')
    return network
  }

  get port(): number {
    const address = this.#listener.address()
    if (address === null || typeof address === 'string') throw new Error('the network has no port')
    return address.port
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#pairs.size
  }

  /**
   * Ends the connection over which this many more bytes have gone in a direction, right behind them.
   *
   * @param patienceMs how long to wait for so many bytes
   * @returns whether they came
   */
  async cutAfter(direction: Direction, bytes: number, ending: Ending, patienceMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const struck = new Promise<boolean>((resolve) => {
      this.#cut = { direction, left: bytes, ending, struck: () => resolve(true) }
      timer = setTimeout(() => resolve(false), patienceMs)
    })
    const came = await struck
    clearTimeout(timer)
    this.#cut = undefined
    return came
  }

  /** Ends all connections. @returns how many there were */
  endAll(ending: Ending): number {
    const pairs = [...this.#pairs].filter(({ swallowed }) => !swallowed)
    for (const pair of pairs) this.#end(pair, ending)
    return pairs.length
  }

  /** Nothing passes any more, and nothing is lost either, until it is let go. */
  stall(): void {
    this.#stalled = true
    for (const { client, server } of this.#pairs) for (const socket of [client, server]) socket.pause()
  }

  /** Whoever comes is turned away. */
  refuse(): void {
    this.#refusing = true
  }

  /** No more {@link stall} and {@link refuse}. */
  letGo(): void {
    this.#refusing = false
    this.#stalled = false
    for (const { client, server } of this.#pairs) for (const socket of [client, server]) socket.resume()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close()
    for (const { client, server } of this.#pairs) for (const socket of [client, server]) socket.destroy()
  }

  #accept(client: Socket): void {
    client.on('error', () => {})
    if (this.#refusing) {
      client.resetAndDestroy()
      return
    }
    const server = connect({ ...this.#target, noDelay: true })
    const pair: Pair = { client, server, swallowed: false }
    this.#pairs.add(pair)
    this.#pass(pair, client, server, 'to-server')
    this.#pass(pair, server, client, 'to-client')
  }

  #pass(pair: Pair, from: Socket, to: Socket, direction: Direction): void {
    if (this.#stalled) from.pause()
    from.on('data', (chunk: Buffer) => {
      if (pair.swallowed) return
      const cut = this.#cut
      if (cut?.direction !== direction) {
        this.#write(from, to, chunk)
        return
      }
      if (chunk.length < cut.left) {
        cut.left -= chunk.length
        this.#write(from, to, chunk)
        return
      }
      this.#cut = undefined
      to.write(chunk.subarray(0, cut.left), () => this.#end(pair, cut.ending))
      cut.struck()
    })
    to.on('drain', () => {
      if (!this.#stalled) from.resume()
    })
    from.on('error', () => {})
    from.on('end', () => {
      if (!pair.swallowed) to.end()
    })
    from.on('close', () => {
      const gone = () => {
        to.destroy()
        this.#pairs.delete(pair)
      }
      // the other side is not told, and finds it out by itself in the end
      if (pair.swallowed && !to.destroyed) setTimeout(gone, keepaliveMs).unref()
      else gone()
    })
  }

  /** Back-pressure passes through. */
  #write(from: Socket, to: Socket, chunk: Buffer): void {
    if (!to.write(chunk)) from.pause()
  }

  #end(pair: Pair, ending: Ending): void {
    const { client, server } = pair
    switch (ending) {
      case 'close':
        client.destroy()
        server.destroy()
        break
      case 'reset':
        client.resetAndDestroy()
        server.resetAndDestroy()
        break
      case 'swallow':
        pair.swallowed = true
        break
      default:
        ending satisfies never
    }
  }
}
