import type { Connection } from '../protocol/connection/connection.ts'
import type { Batch, Cell } from './batch.ts'
import { compareWays, type Encoded, encodeColumn, type Problem, type SeenColumn, type Way } from './comparison.ts'
import { type Columns, copyBinary, copyText } from './copy-way.ts'
import { type Finding, findingsOf, showValue } from './findings.ts'
import type { FuzzedType } from './forms/fuzzed-types.ts'
import { type CellPlace, refusedCells, withoutCells } from './refused-cells.ts'
import type { ReplicationWay } from './replication-way.ts'
import type { TriedTable } from './tables.ts'
import type { WritingSession, WrittenTable } from './writing-session.ts'

/** What values go through. */
export interface BenchParts {
  readonly writing: WritingSession
  readonly tables: readonly TriedTable[]
  readonly textStream: ReplicationWay
  /** Has the tables that are exact in binary form. */
  readonly binaryStream: ReplicationWay
  readonly textCopies: Connection
  readonly binaryCopies: Connection
}

/** A value that the server did not take: it was not tried. */
export interface Refusal {
  readonly type: FuzzedType
  readonly cell: Cell
}

/** What came of a batch. */
export interface Outcome {
  readonly findings: readonly Finding[]
  readonly refusals: readonly Refusal[]
  /** Values that went through. */
  readonly values: number
}

/** The part of a batch that stands in one table. */
interface Sheet {
  readonly table: TriedTable
  readonly cells: readonly (readonly Cell[])[]
}

/** Sends batches of values through the server and back on all ways, and asks the server about what was written again. */
export class Bench {
  readonly #parts: BenchParts

  constructor(parts: BenchParts) {
    this.#parts = parts
  }

  /** Tries every value of a batch. */
  async try(batch: Batch): Promise<Outcome> {
    const { sheets, refusals } = await this.#write(sheetsOf(this.#parts.tables, batch))
    const seen = await this.#read(sheets)
    const findings: Finding[] = []
    const echoes: Echo[] = []
    for (const [index, { table, cells }] of sheets.entries()) {
      const columns = seen[index] ?? []
      const encoded = table.columns.map(({ pgType }, at) => encodeColumn(pgType, columnAt(columns, at), showValue))
      echoes.push({ table, encoded })
      for (const [at, column] of table.columns.entries()) {
        const problems = [...compareWays(columnAt(columns, at), showValue), ...(encoded[at]?.problems ?? [])]
        findings.push(...findingsOf(column.type, cells[at] ?? [], columnAt(columns, at).texts, problems))
      }
    }
    return {
      findings: merged([...findings, ...(await this.#echo(sheets, seen, echoes))]),
      refusals,
      values: countOf(batch) - refusals.length,
    }
  }

  /** Writes what the server takes. */
  async #write(sheets: readonly Sheet[]): Promise<{ sheets: readonly Sheet[]; refusals: readonly Refusal[] }> {
    const { writing } = this.#parts
    if (await writing.write(sheets.map(writtenTable))) return { sheets, refusals: [] }
    const refusals: Refusal[] = []
    const taken: Sheet[] = []
    for (const sheet of sheets) {
      const places = await refusedPlaces(writing, writtenTable(sheet))
      for (const { column, row } of places) {
        const type = sheet.table.columns[column]?.type
        if (type !== undefined) refusals.push({ type, cell: sheet.cells[column]?.[row] ?? null })
      }
      taken.push({ table: sheet.table, cells: withoutCells(sheet.cells, places) })
    }
    if (!(await writing.write(taken.map(writtenTable)))) throw severalRefused()
    return { sheets: taken, refusals }
  }

  /** Reads all ways at once. */
  async #read(sheets: readonly Sheet[]): Promise<SeenColumn[][]> {
    const { textStream, binaryStream, textCopies, binaryCopies } = this.#parts
    const exact = sheets.filter(({ table }) => table.exact)
    const counted = (some: readonly Sheet[]) => some.map(({ table, cells }) => ({ table, rows: cells[0]?.length ?? 0 }))
    const [streamedText, streamedBinary, copiedText, copiedBinary] = await Promise.all([
      textStream.read(counted(sheets)),
      binaryStream.read(counted(exact)),
      inTurn(sheets, ({ table }) => copyText(textCopies, table)),
      inTurn(exact, ({ table }) => copyBinary(binaryCopies, table)),
    ])
    const binaryByTable = new Map(exact.map(({ table }, index) => [table, copiedBinary[index]]))
    return sheets.map(({ table }, index) =>
      table.columns.map((_, at): SeenColumn => {
        const ways = new Map<Way, readonly unknown[]>()
        const keep = (way: Way, columns: Columns | undefined) => {
          if (columns !== undefined) ways.set(way, columns[at] ?? [])
        }
        keep('COPY text', copiedText[index]?.values)
        keep('COPY binary', binaryByTable.get(table))
        keep('pgoutput text', streamedText.get(table.name))
        keep('pgoutput binary', streamedBinary.get(table.name))
        return { texts: copiedText[index]?.texts[at] ?? [], ways }
      }),
    )
  }

  /** Writes what walwire made of the values, and has the server compare it with what it has. */
  async #echo(sheets: readonly Sheet[], seen: readonly SeenColumn[][], echoes: readonly Echo[]): Promise<Finding[]> {
    const { writing } = this.#parts
    const written = echoes.flatMap((echo, sheet) => echoRows(echo, sheet))
    const refused: CellPlace[][] = written.map(() => [])
    if (!(await writing.write(written.map(({ rows }) => rows)))) {
      for (const [index, { rows }] of written.entries()) refused[index] = await refusedPlaces(writing, rows)
      const taken = written.map(({ rows }, index) => ({
        ...rows,
        cells: withoutCells(rows.cells, refused[index] ?? []),
      }))
      if (!(await writing.write(taken))) throw severalRefused()
    }
    const others = await differing(writing, written)
    return written.flatMap(({ table, rows, sheet }, index) => {
      const places = refused[index] ?? []
      const isRefused = new Set(places.map(({ column, row }) => `${column} ${row}`))
      const misread = (others[index] ?? []).filter(
        // what walwire did not write was reported already
        ({ column, row }) => rows.cells[column]?.[row] != null && !isRefused.has(`${column} ${row}`),
      )
      const problem = ({ column, row }: CellPlace, verdict: string): Problem => ({
        row,
        where: rows.format === 'text' ? 'encodeText' : 'encodeBinary',
        gave: `${showForm(rows.cells[column]?.[row] ?? null)}, ${verdict}`,
      })
      return table.columns.flatMap(({ type }, at) => {
        const here = ({ column }: CellPlace) => column === at
        const problems = [
          ...places.filter(here).map((place) => problem(place, 'which the server does not take')),
          ...misread.filter(here).map((place) => problem(place, 'which the server reads as another value')),
        ]
        return findingsOf(type, sheets[sheet]?.cells[at] ?? [], columnAt(seen[sheet] ?? [], at).texts, problems)
      })
    })
  }
}

function severalRefused(): Error {
  return new Error('the server takes each of the values alone, and not all of them')
}

/** A table's values, written again. */
interface Echo {
  readonly table: TriedTable
  readonly encoded: readonly Encoded[]
}

/** The temporary table that a table's values are written into again. */
export function echoTable(table: TriedTable, format: 'text' | 'binary'): string {
  return `${table.name}_${format}`
}

/** Rows of a table that were written again in one of the formats. */
interface EchoRows {
  readonly table: TriedTable
  /** The index of the table's sheet. */
  readonly sheet: number
  readonly rows: WrittenTable
}

function echoRows({ table, encoded }: Echo, sheet: number): EchoRows[] {
  const columns = table.columns.map(({ name }) => name)
  const texts = encoded.map((column) => column.texts)
  const binaries = encoded.map((column) => column.binaries ?? column.texts.map(() => null))
  const inText: WrittenTable = { name: echoTable(table, 'text'), columns, cells: texts, format: 'text' }
  const inBinary: WrittenTable = { name: echoTable(table, 'binary'), columns, cells: binaries, format: 'binary' }
  return [inText, ...(table.exact ? [inBinary] : [])].map((rows) => ({ table, sheet, rows }))
}

/** Asks the server where tables differ from what was written again of them. */
async function differing(writing: WritingSession, written: readonly EchoRows[]): Promise<CellPlace[][]> {
  const queries = written.map(({ table, rows }, index) => {
    const same = table.columns.map(({ name, isSame }) => `(${isSame(`a.${name}`, `b.${name}`)})`)
    const list = same.map((expression, column) => `CASE WHEN ${expression} THEN NULL ELSE ${column} END`)
    return `SELECT ${index} AS echo, a.row_number, array_remove(ARRAY[${list.join(', ')}], NULL) AS columns
      FROM ${table.name} a JOIN ${rows.name} b USING (row_number) WHERE NOT (${same.join(' AND ')})`
  })
  const places: CellPlace[][] = written.map(() => [])
  for (const { echo, row_number: row, columns } of await writing.run(queries.join('\nUNION ALL '))) {
    const indexes: readonly unknown[] = Array.isArray(columns) ? columns : []
    places[Number(echo)]?.push(...indexes.map((column) => ({ column: Number(column), row: Number(row) })))
  }
  return places
}

function refusedPlaces(writing: WritingSession, rows: WrittenTable): Promise<CellPlace[]> {
  return refusedCells(rows.cells, (cells) => writing.takes({ ...rows, cells }))
}

function sheetsOf(tables: readonly TriedTable[], batch: Batch): Sheet[] {
  return tables.flatMap((table) => {
    const columns = table.columns.map(({ type }) => batch.get(type))
    const rows = columns.find((cells) => cells !== undefined)?.length ?? 0
    const nulls: Cell[] = new Array(rows).fill(null)
    return rows === 0 ? [] : [{ table, cells: columns.map((cells) => cells ?? nulls) }]
  })
}

function countOf(batch: Batch): number {
  return [...batch.values()].reduce((total, cells) => total + cells.length, 0)
}

function writtenTable({ table, cells }: Sheet): WrittenTable {
  return { name: table.name, columns: table.columns.map(({ name }) => name), cells, format: table.written }
}

function columnAt(columns: readonly SeenColumn[], at: number): SeenColumn {
  return columns[at] ?? { texts: [], ways: new Map() }
}

/** One finding for each value. */
function merged(findings: readonly Finding[]): Finding[] {
  const byValue = new Map<string, Finding>()
  for (const finding of findings) {
    const key = `${finding.row} ${finding.type.name}`
    const known = byValue.get(key)
    byValue.set(key, known === undefined ? finding : { ...known, problems: [...known.problems, ...finding.problems] })
  }
  return [...byValue.values()]
}

function showForm(cell: Cell): string {
  return cell instanceof Uint8Array ? `\\x${Buffer.from(cell).toString('hex')}` : showValue(cell)
}

async function inTurn<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (const item of items) results.push(await work(item))
  return results
}
