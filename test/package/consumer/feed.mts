// What somebody writes who has installed walwire: compiled against its declarations alone, as strictly as it can be.
import {
  type Event,
  type FeedStatus,
  follow,
  PgRange,
  type Position,
  parsePosition,
  toJsonLine,
  WalwireError,
} from 'walwire'
import { decodeText, type PgoutputMessage } from 'walwire/decoder'
import { type Destination, deliver, fileDestination, type Standing } from 'walwire/delivery'
import { Connection, formatLsn, resolveConnection } from 'walwire/protocol'
import { comparePositions } from 'walwire/replication'

interface Order {
  readonly id: number
  readonly total: string
}

const shop = { publication: 'shop', slot: 'shop_feed', signal: undefined, types: { jsonb: JSON.parse } }

export async function lines(stored: unknown, write: (line: string) => void): Promise<Position | undefined> {
  const start = stored === undefined ? undefined : parsePosition(stored)
  await using feed = follow<{ 'public.orders': Order }>({ ...shop, start, logger: console })
  let last = start
  try {
    for await (const { events, position } of feed) {
      for (const event of events) {
        if (event.kind === 'insert' && event.unchanged === undefined) {
          const { total } = event.new satisfies Order
          write(total.padStart(10))
          // @ts-expect-error a table that is not followed
          if (event.table === 'public.stock') return last
        }
        write(toJsonLine(event))
      }
      feed.ack(position)
      if (last === undefined || comparePositions(last, position) < 0) last = position
    }
  } catch (error) {
    if (!(error instanceof WalwireError && error.retryable)) throw error
  }
  return last
}

export function lag({ lagBytes = 0 }: FeedStatus): number {
  return lagBytes
}

export function commitOf(event: Event): string | undefined {
  return 'tx' in event && event.tx !== undefined ? formatLsn(event.tx.commitLsn) : undefined
}

export async function firstBound(message: PgoutputMessage): Promise<unknown> {
  const connection = await Connection.open(await resolveConnection('postgres://localhost/shop'))
  await connection.close()
  const range = decodeText('int4range', '[1,5)')
  return message.kind === 'begin' ? message.xid : range instanceof PgRange ? range.lower : undefined
}

/** A destination of one's own, which keeps what is committed in memory. */
export class Memory implements Destination<{ 'public.orders': Order }> {
  readonly totals: string[] = []
  #written: string[] = []
  #standing: Standing | undefined

  async open(): Promise<Standing | undefined> {
    this.#written = []
    return this.#standing
  }

  async write({ events }: Parameters<Destination<{ 'public.orders': Order }>['write']>[0]): Promise<void> {
    for (const event of events) if (event.kind === 'snapshot') this.#written.push(event.new.total)
  }

  async commit(start: Position): Promise<void> {
    this.totals.push(...this.#written.splice(0))
    this.#standing = { start }
  }

  async close(): Promise<void> {}
}

export async function delivered(signal: AbortSignal): Promise<Position | undefined> {
  await deliver({ ...shop, signal, destination: new Memory(), commit: { intervalMs: 10 }, retry: { maxFailures: 5 } })
  const destination = fileDestination({ path: 'shop.jsonl', checkpoint: 'shop.checkpoint', logger: console })
  const { reason, position } = await deliver({ ...shop, signal, destination, retry: false })
  return reason === 'stopped' ? position : undefined
}
