import { beforeAll, describe, expect, test } from 'vitest'
import { PgoutputDecoder, type PgoutputMessage } from '../../../src/decoder/pgoutput.ts'
import { TypeRegistry } from '../../../src/decoder/types/registry.ts'
import { type Event, parseLsn } from '../../../src/index.ts'
import { type SharedServer, sharedServer, testVersions } from '../../server/index.ts'
import { Source } from './helpers/source.ts'
import { workloadTables, writeAtRandom } from './helpers/workload.ts'

/** A message of the plugin with the LSN that the server gives it. */
interface Peeked {
  readonly lsn: bigint
  readonly message: PgoutputMessage
}

/** What a slot holds, as the plugin's own bytes over SQL: the same that the stream must carry. */
async function peek(source: Source): Promise<Peeked[]> {
  const rows = await source.rows(
    `SELECT lsn, encode(data, 'hex') AS data FROM pg_logical_slot_peek_binary_changes('${source.slot}', NULL, NULL,
      'proto_version', '1', 'publication_names', 'pub', 'messages', 'true')`,
  )
  const decoder = new PgoutputDecoder({ protoVersion: 1, types: new TypeRegistry({ values: 'text' }) })
  return rows.map(({ lsn, data }) => ({
    lsn: parseLsn(lsn ?? ''),
    message: decoder.decode(Uint8Array.from(Buffer.from(data ?? '', 'hex'))),
  }))
}

/** The events that those messages mean, written as simply as can be: without batches, positions or resuming. */
function eventsOf(peeked: readonly Peeked[]): object[] {
  const events: object[] = []
  const announced = new Map<number, object>()
  let begin: (PgoutputMessage & { kind: 'begin' }) | undefined
  let seq = 0
  const change = (lsn: bigint, tables: readonly { oid: number; table: string }[], fields: object) => {
    if (seq === 0) events.push({ kind: 'begin', lsn, xid: begin?.xid, commitLsn: begin?.finalLsn })
    for (const relation of tables) {
      if (announced.get(relation.oid) !== relation)
        events.push({ kind: 'relation', lsn, table: relation.table, relation })
      announced.set(relation.oid, relation)
    }
    events.push({ lsn, commitLsn: begin?.finalLsn, seq: seq++, ...fields })
  }
  for (const { lsn, message } of peeked) {
    switch (message.kind) {
      case 'begin':
        begin = message
        seq = 0
        break
      case 'commit':
        if (seq > 0) events.push({ kind: 'commit', lsn: message.commitLsn, endLsn: message.endLsn })
        begin = undefined
        break
      case 'insert':
      case 'update':
      case 'delete': {
        const { relation, ...row } = message
        change(lsn, [relation], { table: relation.table, ...row })
        break
      }
      case 'truncate':
        change(lsn, message.relations, { ...message, relations: message.relations.map(({ table }) => table) })
        break
      case 'message': {
        const { prefix, content } = message
        if (message.transactional) change(message.lsn, [], { kind: 'message', prefix, content })
        else events.push({ kind: 'message', lsn: message.lsn, prefix, content })
        break
      }
      default:
        break
    }
  }
  return events
}

/** The feed's events, with what the other account has too. */
function inShort(events: readonly Event[]): object[] {
  return events.map((event) => {
    const { kind, lsn } = event
    switch (event.kind) {
      case 'begin':
        return { kind, lsn, xid: event.tx.xid, commitLsn: event.tx.commitLsn }
      case 'commit':
        return { kind, lsn, endLsn: event.tx.endLsn }
      case 'relation':
        return { kind, lsn, table: event.table, relation: event.relation }
      case 'insert':
      case 'update':
      case 'delete': {
        const { relation: _, tx, ...row } = event
        return { ...row, commitLsn: tx.commitLsn }
      }
      case 'truncate': {
        const { tx, relations, ...truncate } = event
        return { ...truncate, relations: relations.map(({ table }) => table), commitLsn: tx.commitLsn }
      }
      case 'message': {
        const { prefix, content } = event
        if (!event.transactional) return { kind, lsn, prefix, content }
        return { kind, lsn, prefix, content, seq: event.seq, commitLsn: event.tx.commitLsn }
      }
      default:
        return { kind }
    }
  })
}

async function writeEverything(source: Source, seed: number): Promise<void> {
  const writers = [0, 1, 2].map((index) =>
    writeAtRandom(source.session(), { seed: seed * 10 + index, truncate: true, goOn: (count) => count < 150 }),
  )
  await Promise.all(writers)
  await source.write(
    "SELECT pg_logical_emit_message(false, 'p', 'alone')",
    'ALTER TABLE accounts RENAME COLUMN owner TO holder',
    'BEGIN; UPDATE accounts SET balance = 1; ALTER TABLE accounts DROP COLUMN balance; UPDATE accounts SET holder = 2; COMMIT',
    'BEGIN; TRUNCATE notes, visits, log RESTART IDENTITY CASCADE; INSERT INTO log VALUES (NULL); COMMIT',
  )
}

describe.each(testVersions())('the stream against the same bytes by SQL, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test.each([1, 2])('has the same changes in the same order, at the same LSNs (workload %i)', async (seed) => {
    await using source = await Source.make(server, workloadTables)
    const made = await source.followChanges({ ack: 'never' })
    made.ack()
    await made.close()
    await writeEverything(source, seed)
    const mark = await source.mark()
    const expected = eventsOf(await peek(source))

    const reader = source.follow({ start: made.stored, values: 'text', ack: 'never', maxBatchRows: 50 })
    await reader.untilMark(mark)
    const found = inShort(reader.events)
    expect(found.length).toBeGreaterThan(1_000)
    // one by one, since the difference of two long lists tells nobody anything
    for (const [index, event] of found.entries()) expect(event, `event ${index}`).toEqual(expected[index])
    expect(expected).toHaveLength(found.length)
  })

  test('is the same, too, when it is read in many runs that each take a few events', async () => {
    await using source = await Source.make(server, workloadTables)
    const made = await source.followChanges()
    await made.close()
    await writeEverything(source, 3)
    const mark = await source.mark()
    const expected = eventsOf(await peek(source)).filter((event) => !('relation' in event))

    const found: object[] = []
    let start = made.stored
    for (let done = false, batches = 1; !done; batches = (batches * 7) % 31) {
      const ack = batches % 2 === 0 ? 'each' : 'never'
      const reader = source.follow({ start, values: 'text', ack, maxBatchRows: 40 })
      const isMark = (event: Event) =>
        event.kind === 'message' && event.prefix === 'mark' && new TextDecoder().decode(event.content) === mark
      await reader.until('some batches', (all) => all.batches.length >= batches || all.events.some(isMark))
      done = reader.events.some(isMark) && reader.position?.tx === undefined
      found.push(...inShort(reader.events).filter((event) => !('relation' in event)))
      await reader.abandon()
      start = reader.stored
    }
    for (const [index, event] of found.entries()) expect(event, `event ${index}`).toEqual(expected[index])
    expect(expected).toHaveLength(found.length)
  })
})
