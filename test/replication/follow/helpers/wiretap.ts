import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A standby status update as the client sent it, and when. */
export interface StatusUpdate {
  readonly atMs: number
  readonly write: bigint
  readonly flush: bigint
  readonly apply: bigint
  /** Microseconds since 2000-01-01 UTC. */
  readonly clock: bigint
  readonly replyRequested: boolean
}

/**
 * Stands between client and server, passes everything on, and keeps what it sees of the replication protocol. It can
 * cut all connections, which neither side expects.
 */
export interface Wiretap extends AsyncDisposable {
  /** The URI of the server, by way of the wiretap and without TLS. */
  readonly url: string
  readonly statusUpdates: readonly StatusUpdate[]
  /** Keepalives of the server, by whether they ask for a reply. */
  readonly keepalives: { readonly asking: number; readonly silent: number }
  /** Bytes that went either way. */
  readonly bytes: { readonly up: number; readonly down: number }
  /** Cuts every connection there is, all but those for replication, or the first of these, without a word. New ones work. */
  cut(which?: 'ordinary' | 'first ordinary'): void
  /**
   * Passes nothing on any more, either way, no end either, as a firewall that has forgotten a connection: of these
   * connections as far as they are there, or of all that are opened from now on as well.
   */
  swallow(which: Swallowed): void
  /** The same at the moment when a client has sent this for the first time, of which nothing is passed on. */
  swallowAt(words: string, which: Swallowed | 'this one'): void
  /** Cuts every connection at the moment when a client has sent this, of which nothing is passed on. Once. */
  cutAt(words: string): void
  /** Has each connection that comes from now on cut behind so many bytes; undefined has it last. Asked for each. */
  cutAfter(limits: (() => ByteLimits | undefined) | undefined): void
  /** Stops passing on what the server sends, until the function that it answers is called. */
  hold(): () => void
}

export type Swallowed = 'all' | 'replication' | 'ordinary' | 'all, and all that come' | 'ordinary, and all that come'

/** How many bytes come through, either way, before a connection is cut. */
export interface ByteLimits {
  readonly up?: number | undefined
  readonly down?: number | undefined
}

/** The two ends of one connection. */
interface Pair {
  readonly client: Socket
  readonly server: Socket
  isReplication: boolean
  isSwallowed: boolean
}

/** @param uri of the server, as superuser */
export async function wiretap(uri: string): Promise<Wiretap> {
  const target = new URL(uri)
  const statusUpdates: StatusUpdate[] = []
  const keepalives = { asking: 0, silent: 0 }
  const bytes = { up: 0, down: 0 }
  const pairs = new Set<Pair>()
  let swallowsNew = false
  let cutWords: string | undefined
  let limitsOfNext: (() => ByteLimits | undefined) | undefined
  let trigger: { readonly words: string; readonly which: Swallowed | 'this one' } | undefined
  const swallow = (which: Swallowed) => {
    for (const pair of pairs) {
      if (which.startsWith('all') || pair.isReplication === (which === 'replication')) pair.isSwallowed = true
    }
    swallowsNew = which.endsWith('that come')
  }

  const proxy = createServer({ noDelay: true }, (client) => {
    const server = connect({ host: target.hostname, port: Number(target.port), noDelay: true })
    const pair: Pair = { client, server, isReplication: false, isSwallowed: swallowsNew }
    pairs.add(pair)
    const { up: mostUp = Number.POSITIVE_INFINITY, down: mostDown = Number.POSITIVE_INFINITY } = limitsOfNext?.() ?? {}
    const passed = { up: 0, down: 0 }
    /** What may pass of a chunk; behind it the connection is cut. */
    const within = (way: 'up' | 'down', chunk: Buffer, most: number, pass: (part: Buffer) => void) => {
      const part = chunk.subarray(0, Math.max(0, most - passed[way]))
      passed[way] += chunk.length
      pass(part)
      if (passed[way] <= most) return
      client.end()
      server.destroy()
    }
    client.once('data', (startup) => {
      pair.isReplication = startup.includes('replication\0')
    })
    const up = copyDataSplitter(true, (body) => {
      if (body[0] === code('r')) statusUpdates.push(readStatusUpdate(body))
    })
    const down = copyDataSplitter(false, (body) => {
      if (body[0] === code('k')) keepalives[body[17] === 1 ? 'asking' : 'silent']++
    })
    client.on('data', (chunk) => {
      if (trigger !== undefined && chunk.includes(trigger.words)) {
        if (trigger.which === 'this one') pair.isSwallowed = true
        else swallow(trigger.which)
        trigger = undefined
      }
      if (cutWords !== undefined && chunk.includes(cutWords)) {
        cutWords = undefined
        cut()
        return
      }
      if (pair.isSwallowed) return
      bytes.up += chunk.length
      up(chunk)
      within('up', chunk, mostUp, (part) => server.write(part))
    })
    server.on('data', (chunk) => {
      if (pair.isSwallowed) return
      bytes.down += chunk.length
      down(chunk)
      // back-pressure passes through, as over a real wire
      within('down', chunk, mostDown, (part) => {
        if (!client.write(part)) server.pause()
      })
    })
    client.on('drain', () => server.resume())
    const ways = [
      [client, server],
      [server, client],
    ] as const
    for (const [socket, other] of ways) {
      socket.on('error', () => {
        if (!pair.isSwallowed) other.destroy()
      })
      socket.on('end', () => {
        if (!pair.isSwallowed) other.end()
      })
      socket.on('close', () => {
        if (pair.isSwallowed && !other.destroyed) return
        other.destroy()
        pairs.delete(pair)
      })
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')

  const url = new URL(uri)
  url.hostname = '127.0.0.1'
  url.port = String(portOf(proxy.address()))
  url.searchParams.set('sslmode', 'disable')
  const cut = (which?: 'ordinary' | 'first ordinary') => {
    for (const { client, server, isReplication } of pairs) {
      if (which !== undefined && isReplication) continue
      client.destroy()
      server.destroy()
      if (which === 'first ordinary') return
    }
  }
  return {
    url: url.href,
    statusUpdates,
    keepalives,
    bytes,
    cut,
    swallow,
    swallowAt(words, which) {
      trigger = { words, which }
    },
    cutAt(words) {
      cutWords = words
    },
    cutAfter(limits) {
      limitsOfNext = limits
    },
    hold() {
      const held = [...pairs]
      for (const { server } of held) server.pause()
      return () => {
        for (const { server } of held) server.resume()
      }
    },
    async [Symbol.asyncDispose]() {
      cut()
      proxy.close()
    },
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the wiretap has no port')
  return address.port
}

function code(letter: string): number {
  return letter.charCodeAt(0)
}

/** Calls `take` with the body of every CopyData in a stream of chunks. */
function copyDataSplitter(fromClient: boolean, take: (body: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  /** The client's first message has no tag. */
  let started = !fromClient
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (;;) {
      const head = started ? 1 : 0
      if (rest.length < head + 4) return
      const end = head + rest.readUInt32BE(head)
      if (rest.length < end) return
      if (started && rest[0] === code('d')) take(rest.subarray(5, end))
      started = true
      rest = rest.subarray(end)
    }
  }
}

function readStatusUpdate(body: Buffer): StatusUpdate {
  return {
    atMs: performance.now(),
    write: body.readBigUInt64BE(1),
    flush: body.readBigUInt64BE(9),
    apply: body.readBigUInt64BE(17),
    clock: body.readBigInt64BE(25),
    replyRequested: body[33] === 1,
  }
}
