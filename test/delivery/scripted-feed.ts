import type { Batch } from '../../src/replication/batch.ts'
import type { Event } from '../../src/replication/events.ts'
import type { Feed, FeedStatus } from '../../src/replication/feed.ts'
import type { Position } from '../../src/replication/position.ts'

/** An event that is nothing but a name: what a test looks for in the output. */
export function named(name: string): Event {
  const content = new Uint8Array()
  return { kind: 'message', prefix: name, content, lsn: 1n, transactional: false, seq: undefined, tx: undefined }
}

/** The line of a {@link named} event. */
export function nameOf(event: Event): string {
  return event.kind === 'message' ? event.prefix : event.kind
}

/** A position of the one feed that these tests know. */
export function positionAt(lsn: number, phase: Position['phase'] = 'stream'): Position {
  return {
    version: 2,
    systemId: '7000000000000000001',
    timeline: 1,
    database: 'shop',
    slot: 'shop_feed',
    options: { publications: ['shop'] },
    phase,
    lsn: `0/${lsn.toString(16).toUpperCase()}`,
  }
}

/** A batch of named events. */
export function batchOf(position: Position, ...names: string[]): Batch {
  return { events: names.map(named), position, atCommit: true }
}

const unknownStatus: FeedStatus = {
  state: 'streaming',
  waitingFor: undefined,
  lastError: undefined,
  received: undefined,
  delivered: undefined,
  acknowledged: undefined,
  server: undefined,
  lagBytes: undefined,
  lagMs: undefined,
  slot: undefined,
  snapshot: undefined,
  reconnects: 0,
  bufferedBytes: 0,
}

/** A feed that delivers what a script yields. It says nothing of its own, and ends a pull that is open when it is closed. */
export function scriptedFeed(script: AsyncGenerator<Batch, undefined>, ack: (position: Position) => void): Feed {
  let endPull = () => {}
  const closed = new Promise<IteratorResult<Batch, undefined>>((done) => {
    endPull = () => done({ done: true, value: undefined })
  })
  const close = async () => endPull()
  return {
    ack,
    close,
    status: () => unknownStatus,
    [Symbol.asyncDispose]: close,
    [Symbol.asyncIterator]: () => ({ next: () => Promise.race([script.next(), closed]) }),
  }
}
