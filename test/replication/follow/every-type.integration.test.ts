import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Event, Row } from '../../../src/index.ts'
import { quoteLiteral } from '../../../src/protocol/messages/quote.ts'
import { definitions, goldens } from '../../decoder/types/golden/cases.ts'
import { readRecorded, recordedTypes } from '../../decoder/types/golden/recorded.ts'
import { sharedServer, testVersions } from '../../server/index.ts'
import type { FeedReader } from './helpers/feed-reader.ts'
import { type OtherSettings, withOtherSettings } from './helpers/other-settings.ts'
import { recordingLogger } from './helpers/recording-logger.ts'
import { Source } from './helpers/source.ts'

/** A golden value as a row: everything else in it is NULL. */
interface GoldenRow {
  readonly id: number
  readonly type: string
  readonly literal: string
  readonly value: unknown
}

/** Tables with a column for each type of the golden table, and a row for each value that this version knows. */
class GoldenTable {
  readonly name: string
  readonly rows: readonly GoldenRow[]
  readonly #types: readonly string[]

  constructor(name: string, rows: readonly GoldenRow[]) {
    this.name = name
    this.rows = rows
    this.#types = [...new Set(rows.map(({ type }) => type))]
  }

  get setup(): string {
    const columns = this.#types.map((type) => `, ${this.column(type)} ${type}`).join('')
    return `CREATE TABLE ${this.name} (id int PRIMARY KEY${columns}); ALTER TABLE ${this.name} REPLICA IDENTITY FULL;`
  }

  get fill(): string {
    return this.rows
      .map(
        ({ id, type, literal }) =>
          `INSERT INTO ${this.name} (id, ${this.column(type)}) VALUES (${id}, ${quoteLiteral(literal)}::${type})`,
      )
      .join(';')
  }

  column(type: string): string {
    return `c${this.#types.indexOf(type)}`
  }

  /** The row that must come. */
  row({ id, type, value }: GoldenRow, ids = 0): Row {
    const row: Row = { id: id + ids }
    for (const other of this.#types) row[this.column(other)] = other === type ? value : null
    return row
  }
}

/** What is added to the keys in the stream. */
const moved = 1000

function goldenTables(version: number): { exact: GoldenTable; inexact: GoldenTable } {
  const recorded = readRecorded()
  const registry = recordedTypes(recorded, version)
  const rows = { exact: [] as GoldenRow[], inexact: [] as GoldenRow[] }
  for (const [id, [type, literal, value = literal]] of goldens.entries()) {
    const form = recorded.values[id]?.forms.find(({ versions }) => versions.includes(version))
    if (form === undefined) continue
    const list = registry.get(form.oid)?.binaryExact ? rows.exact : rows.inexact
    list.push({ id, type, literal, value })
  }
  return { exact: new GoldenTable('exact', rows.exact), inexact: new GoldenTable('inexact', rows.inexact) }
}

/** A row as it came in every event that had it whole. */
async function everyWay(source: Source, feeds: readonly FeedReader[], { name }: GoldenTable): Promise<Row[][]> {
  const copied: Event[][] = []
  for (const feed of feeds) copied.push(await feed.untilCopied())
  await source.write(`UPDATE ${name} SET id = id + ${moved}`, `DELETE FROM ${name}`)
  const mark = await source.mark()
  const ways: Row[][] = []
  for (const [index, feed] of feeds.entries()) {
    const events = [...(copied[index] ?? []), ...(await feed.untilMark(mark))]
    const rowsOf = (pick: (event: Event) => Row | undefined) => {
      const rows = events.map(pick).filter((row) => row !== undefined)
      return rows.sort((a, b) => Number(a.id) - Number(b.id))
    }
    ways.push(
      rowsOf((event) => (event.kind === 'snapshot' ? event.new : undefined)),
      rowsOf((event) => (event.kind === 'update' ? event.old : undefined)),
      rowsOf((event) => (event.kind === 'update' ? event.new : undefined)),
      rowsOf((event) => (event.kind === 'delete' ? event.old : undefined)),
    )
  }
  return ways
}

/** Every way in turn: the copied row, the old and the new one of an update, and the deleted one. */
function expectEveryWay(table: GoldenTable, ways: readonly Row[][], count: number): void {
  expect(ways).toHaveLength(count)
  for (const [way, rows] of ways.entries()) {
    expect(rows).toHaveLength(table.rows.length)
    for (const [index, golden] of table.rows.entries()) {
      const expected = table.row(golden, way % 4 < 2 ? 0 : moved)
      expect(rows[index], `${golden.type} ${golden.literal}, way ${way}`).toStrictEqual(expected)
    }
  }
}

/** The tables that came as text although binary was asked for. */
function fallbacks(log: ReturnType<typeof recordingLogger>): object[] {
  return log.lines().flatMap(({ data, message }) => (message.endsWith('text is used') ? [data] : []))
}

describe.each(testVersions())('one and the same row of every type, on PostgreSQL %i', (version) => {
  const { exact, inexact } = goldenTables(version)
  let source: Source
  let other: OtherSettings
  beforeAll(async () => {
    const setup = [definitions, exact.setup, inexact.setup, exact.fill, inexact.fill].join(';')
    source = await Source.make(await sharedServer(version), setup, { publication: 'FOR TABLE exact' })
    await source.write('CREATE PUBLICATION inexact FOR TABLE inexact')
    other = await withOtherSettings(source, version)
  })
  afterAll(async () => {
    await other?.[Symbol.asyncDispose]()
    await source?.[Symbol.asyncDispose]()
  })

  test('has one value through copy and stream, in text and in binary, whatever the settings are', async () => {
    const log = recordingLogger()
    const feeds = [
      source.follow(),
      source.follow({ slot: `${source.slot}_b`, binary: true, logger: log }),
      source.follow({ slot: `${source.slot}_s`, connection: other.url }),
      source.follow({ slot: `${source.slot}_sb`, connection: other.url, binary: true, logger: log }),
    ]
    expectEveryWay(exact, await everyWay(source, feeds, exact), 16)
    expect(fallbacks(log)).toEqual([])
    expect(log.lines('warn')).toEqual([])
  })

  test('of types that are exact as text alone comes as text, binary asked for or not', async () => {
    const log = recordingLogger()
    const publication = 'inexact'
    const feeds = [
      source.follow({ publication, slot: `${source.slot}_i` }),
      source.follow({ publication, slot: `${source.slot}_ib`, binary: true, logger: log }),
      source.follow({ publication, slot: `${source.slot}_isb`, connection: other.url, binary: true }),
    ]
    expectEveryWay(inexact, await everyWay(source, feeds, inexact), 12)
    // said once, although both the copy and the stream are asked
    expect(fallbacks(log)).toEqual([{ table: 'public.inexact', column: 'c0', type: 'regproc' }])
  })
})
