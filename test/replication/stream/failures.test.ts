import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WalwireError } from '../../../src/protocol/messages/errors.ts'
import type { Feed } from '../../../src/replication/feed.ts'
import { follow } from '../../../src/replication/follow.ts'
import { readDocument } from '../../docs/documents.ts'
import { law } from '../../property.ts'
import { waitUntil } from '../../server/wait.ts'
import { recordingLogger } from '../follow/helpers/recording-logger.ts'
import { type FakeError, FakeServer, type FakeWalsender, fakeFacts } from './fake-walsender.ts'

/** Where a server may fail, by the head of its column in docs/errors.md. */
const stages = {
  'while connecting': (command: string) => command === 'startup',
  'at a question': (command: string) => command.includes('pg_publication p WHERE'),
  'at START_REPLICATION': (command: string) => command.startsWith('START_REPLICATION'),
  'in the stream': () => false,
} as const
type Stage = keyof typeof stages

/** Severities are the server's: what ends a session is FATAL. */
function answer(sqlstate: string, routine: string | undefined, stage: Stage): FakeError {
  const ends = stage === 'while connecting' || /^(57P0|25P0)/.test(sqlstate)
  return { severity: ends ? 'FATAL' : 'ERROR', sqlstate, routine, where: 'change callback, associated LSN 0/2000' }
}

/** A feed over a fake server, each of whose walsenders can be waited for. */
class Scene {
  readonly server = new FakeServer({ flushLsn: 0x9000n })
  readonly logger = recordingLogger()
  readonly walsenders: FakeWalsender[] = []
  readonly feed: Feed
  readonly ended: Promise<unknown>

  constructor() {
    this.server.onWalsender = (walsender) => this.walsenders.push(walsender)
    this.feed = follow({
      connection: this.server.connection,
      publication: fakeFacts.publication,
      slot: fakeFacts.slot,
      start: '0/1000',
      logger: this.logger,
      reconnect: { minDelayMs: 1, maxDelayMs: 1 },
    })
    this.ended = this.#pull()
  }

  /** Resolves with why the feed ended. */
  async #pull(): Promise<unknown> {
    try {
      for await (const batch of this.feed) this.feed.ack(batch.position)
      return undefined
    } catch (error) {
      return error
    }
  }

  async walsender(index: number): Promise<FakeWalsender> {
    await Promise.race([this.ended, waitUntil(`walsender ${index}`, () => this.walsenders.length > index)])
    const walsender = this.walsenders[index]
    if (walsender === undefined) throw await this.ended
    return walsender
  }

  /** Codes with which tries ended that others followed. */
  get passed(): unknown[] {
    const lines = this.logger.lines().filter(({ message }) => message.includes('is not followed'))
    return lines.map(({ data }) => ('code' in data ? data.code : undefined))
  }
}

/** What becomes of a feed that meets an error at a stage, as the table says it. */
async function outcomeOf(sqlstate: string, routine: string | undefined, stage: Stage): Promise<string> {
  const scene = new Scene()
  const { server, feed } = scene
  const error = answer(sqlstate, routine, stage)
  const failIn = (walsender: FakeWalsender) => {
    walsender.error(error)
    if (error.severity === 'FATAL') walsender.hangUp()
    else walsender.readyForQuery()
  }
  try {
    const first = await scene.walsender(0)
    if (stage === 'in the stream') {
      failIn(first)
    } else {
      let met = false
      server.fail = (command) => {
        // the loss that makes the feed connect anew is the first that it passes
        if (!stages[stage](command) || scene.passed.length > 1) return undefined
        met = true
        return error
      }
      server.cutAll()
      await Promise.race([scene.ended, waitUntil('the failure', () => met)])
    }
    const before = stage === 'in the stream' ? 0 : 1
    const isOver = await Promise.race([
      scene.ended.then(() => true),
      scene.walsender(1).then(
        () => false,
        () => true,
      ),
    ])
    if (isOver) return outcome('ends', await scene.ended)
    if (stage === 'in the stream') {
      failIn(await scene.walsender(1))
      const isOverNow = await Promise.race([
        scene.ended.then(() => true),
        scene.walsender(2).then(
          () => false,
          () => true,
        ),
      ])
      if (isOverNow) return outcome('once more', await scene.ended)
    }
    return `goes on: ${scene.passed[before]}`
  } finally {
    await feed.close()
    expect(server.openSessions).toBe(0)
  }
}

function outcome(word: string, error: unknown): string {
  if (!(error instanceof WalwireError)) throw error
  return `${word}: ${error.code}`
}

const section = readDocument('docs/errors.md').split('\n## What a feed goes on after\n')[1]?.split('\n## ')[0] ?? ''
const [head = [], ...rows] = section
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
  .map((line) => line.slice(2, -2).split(' | '))

describe('what docs/errors.md says that a feed goes on after', () => {
  const columns = head.flatMap((name, index) => (Object.hasOwn(stages, name) ? [{ name, index }] : []))
  const isStage = (name: string): name is Stage => Object.hasOwn(stages, name)

  test('has every stage, and every SQLSTATE once', () => {
    expect(columns.map(({ name }) => name)).toEqual(Object.keys(stages))
    expect(rows.length).toBeGreaterThan(20)
    expect(new Set(rows.map(([state]) => state)).size).toBe(rows.length)
  })

  test.each(rows.map((row) => [row[0] ?? '', row] as const))('%s: is so', async (state, row) => {
    const [sqlstate = '', routine] = state.split(' in ')
    const found: Record<string, string> = {}
    const said: Record<string, string> = {}
    for (const { name, index } of columns) {
      if (!isStage(name) || row[index] === '—') continue
      said[name] = (row[index] ?? '').replaceAll('`', '')
      found[name] = await outcomeOf(sqlstate, routine, name)
    }
    expect(found).toEqual(said)
  })
})

describe('a feed that is away', () => {
  test('says so as a warning each time, though it is for the same reason; while it is away, not at every try', async () => {
    const scene = new Scene()
    const { server, logger, feed } = scene
    const warnings = () => logger.lines('warn').filter(({ message }) => message.includes('is not followed'))
    for (const time of [1, 2]) {
      const walsender = await scene.walsender(time - 1)
      walsender.transaction({
        xid: time,
        commitLsn: 0x2000n + BigInt(time * 0x100),
        endLsn: 0x2030n + BigInt(time * 0x100),
        rows: [{ id: time, body: 'a' }],
      })
      await waitUntil('the batch', () => feed.status().acknowledged === `0/2${time}30`)
      let refusals = 3
      server.fail = (command) =>
        command === 'startup' && refusals-- > 0 ? answer('57P03', undefined, 'while connecting') : undefined
      server.cutAll()
    }
    await scene.walsender(2)
    expect(scene.passed).toHaveLength(8)
    // each time the loss, and that the server is not ready
    expect(warnings()).toHaveLength(4)
    await feed.close()
  })

  test.each([
    ['a name that does not resolve', 'ENOTFOUND'],
    ['a name service that does not answer', 'EAI_AGAIN'],
    ['a port where nothing listens', 'ECONNREFUSED'],
    ['a network that is down', 'ENETUNREACH'],
  ])('goes on after %s for a while', async (_what, code) => {
    const scene = new Scene()
    const { server } = scene
    await scene.walsender(0)
    let failures = 5
    server.onConnect = () => {
      if (failures-- > 0) throw Object.assign(new Error(`connect ${code}`), { code })
    }
    server.cutAll()
    await scene.walsender(1)
    expect(scene.passed.slice(1)).toEqual(Array.from({ length: 5 }, () => 'connect_failed'))
    await scene.feed.close()
  })
})

/** At which byte, of which connection, the wire breaks. */
const cut = fc.record({
  connection: fc.nat(3),
  way: fc.constantFrom('up' as const, 'down' as const),
  // all that goes over a connection before the stream is some thousands of bytes
  bytes: fc.oneof(fc.nat(60), fc.nat(700), fc.nat(7_000)),
  resets: fc.boolean(),
  pieces: fc.constantFrom(1, 7, 100_000),
})

law(
  'a feed whose connections are cut at any byte of either direction, from the first one on, begins and goes on, and leaves nothing open',
  fc.asyncProperty(fc.array(cut, { minLength: 1, maxLength: 4 }), async (cuts) => {
    const server = new FakeServer({ flushLsn: 0x9000n })
    const ids: unknown[] = []
    const transaction = { xid: 1, commitLsn: 0x2000n, endLsn: 0x2030n, rows: [{ id: 1, body: 'a' }] }
    server.wire = (index) => {
      const found = cuts.find(({ connection }) => connection === index)
      if (found === undefined) return {}
      const { way, bytes: cutAfter, resets, pieces } = found
      return { resets, up: { pieces }, down: { pieces }, [way]: { pieces, cutAfter } }
    }
    server.onWalsender = (walsender, command) => {
      if (command.includes(' 0/1000 ')) walsender.transaction(transaction)
    }
    const feed = follow({
      connection: { ...server.connection, connect_timeout: 5 },
      publication: fakeFacts.publication,
      slot: fakeFacts.slot,
      start: '0/1000',
      reconnect: { minDelayMs: 1, maxDelayMs: 1, first: true },
    })
    for await (const { events, position } of feed) {
      for (const event of events) if (event.kind === 'insert') ids.push(event.new.id)
      feed.ack(position)
      if (ids.length > 0) break
    }
    await feed.close()
    expect(ids).toEqual([1])
    expect(server.openSessions).toBe(0)
  }),
  60,
)
