import type { Column, Relation, Row } from '../decoder/relation.ts'
import { columnType } from '../decoder/types/column-type.ts'
import { jsonString, jsonValue } from '../decoder/types/json-value.ts'
import { highHalfOf, lowHalfOf } from '../protocol/messages/big-endian.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import { formatLsn, type Lsn } from '../protocol/messages/lsn.ts'
import type { Event, RelationChange, Tables, Transaction } from './events.ts'

/**
 * An event as one line of JSON, without the line feed: what `walwire follow --format jsonl` prints.
 *
 * Keys, in this order where present: `kind, lsn, xid, seq, commitLsn, endLsn, commitTime, schema, table, new, old, key,
 * unchanged`, then the kind's own. LSNs are text, `commitTime` is ISO 8601 UTC with microseconds; `xid`, `commitLsn` and
 * `commitTime` stand in every event of a transaction. `endLsn` stands in `commit` alone: in others it would depend on
 * how much of the transaction had been received already, and the same change would not always give the same line.
 *
 * Values take the form of the type that they were read as, overrides and `values: 'text'` included: json and jsonb are the
 * JSON itself, a range is the server's text. Of a relation that no feed or decoder made, such as a structured clone of one,
 * the types are not known any more: values are written by what they are, and json and jsonb as strings. U+2028 and U+2029
 * are escaped everywhere, since some readers of lines end one there.
 *
 * @throws {WalwireError} `value_too_long` when the line would be longer than a JavaScript string can be (512 MiB in V8)
 */
export function toJsonLine(event: Event<Tables>): string {
  try {
    return lineOf(event)
  } catch (error) {
    if (!isTooLong(error)) throw error
    const table = 'table' in event ? event.table : undefined
    const column = largestColumn(event)
    const of = column === undefined ? '' : `, most of it column ${column}`
    throw new WalwireError('value_too_long', {
      what: `${table === undefined ? 'an event' : `a row of ${table}`} could not be written as a line`,
      why: `as JSON it is longer than a JavaScript string can be${of}`,
      hint: 'leave the columns with its largest values out of the publication',
      table,
      column,
      lsn: formatLsn(event.lsn),
      cause: error,
    })
  }
}

/** The engine's own errors of a string that would be too long say nothing of a table, nor do those of a value alone. */
function isTooLong(error: unknown): boolean {
  if (error instanceof WalwireError) return error.code === 'value_too_long'
  return (
    error instanceof RangeError || (error instanceof Error && 'code' in error && error.code === 'ERR_STRING_TOO_LONG')
  )
}

/** The column with the longest text of an event whose line is too long. */
function largestColumn(event: Event<Tables>): string | undefined {
  if (!('relation' in event)) return undefined
  const rows = ['new', 'old', 'key'].flatMap((name) => {
    const row: unknown = Reflect.get(event, name)
    return typeof row === 'object' && row !== null ? [row] : []
  })
  let largest: string | undefined
  let length = 0
  for (const { name, write } of tableOf(event.relation).columns) {
    for (const row of rows) {
      if (!Object.hasOwn(row, name)) continue
      const written = lengthOf(() => write(Reflect.get(row, name)))
      if (written <= length) continue
      largest = name
      length = written
    }
  }
  return largest
}

function lengthOf(write: () => string): number {
  try {
    return write().length
  } catch (error) {
    if (isTooLong(error)) return Number.POSITIVE_INFINITY
    throw error
  }
}

function lineOf(event: Event<Tables>): string {
  switch (event.kind) {
    case 'insert': {
      const table = tableOf(event.relation)
      let line = `${head(event)}${inTransaction(event.tx, event.seq)}${table.name},"new":${rowOf(table, event.new)}`
      if (event.unchanged !== undefined) line += `,"unchanged":${jsonValue(event.unchanged)}`
      return `${line}}`
    }
    case 'update': {
      const table = tableOf(event.relation)
      let line = `${head(event)}${inTransaction(event.tx, event.seq)}${table.name},"new":${rowOf(table, event.new)}`
      if (event.old !== undefined) line += `,"old":${rowOf(table, event.old)}`
      if (event.key !== undefined) line += `,"key":${rowOf(table, event.key)}`
      if (event.unchanged !== undefined) line += `,"unchanged":${jsonValue(event.unchanged)}`
      return `${line}}`
    }
    case 'delete': {
      const table = tableOf(event.relation)
      let line = `${head(event)}${inTransaction(event.tx, event.seq)}${table.name}`
      if (event.old !== undefined) line += `,"old":${rowOf(table, event.old)}`
      if (event.key !== undefined) line += `,"key":${rowOf(table, event.key)}`
      return `${line}}`
    }
    case 'snapshot': {
      const table = tableOf(event.relation)
      return `${head(event)}${table.name},"new":${rowOf(table, event.new)}}`
    }
    case 'begin': {
      const { tx } = event
      return `${head(event)}${inTransaction(tx)}${tx.origin === undefined ? '' : `,"origin":${jsonString(tx.origin)}`}}`
    }
    case 'commit':
      return `${head(event)}${inTransaction(event.tx, undefined, event.tx.endLsn)}}`
    case 'truncate': {
      const { relations, cascade, restartIdentity } = event
      const tables = jsonValue(relations.map(({ schema, name }) => ({ schema, table: name })))
      return `${head(event)}${inTransaction(event.tx, event.seq)},"tables":${tables},"cascade":${cascade},"restartIdentity":${restartIdentity}}`
    }
    case 'message': {
      const tx = event.transactional ? inTransaction(event.tx, event.seq) : ''
      return `${head(event)}${tx},"prefix":${jsonString(event.prefix)},"transactional":${event.transactional},${contentOf(event.content)}}`
    }
    case 'snapshot-begin': {
      const { estimatedRows, estimatedBytes, mode } = event
      return `${head(event)}${tableName(event.relation)},"estimatedRows":${estimatedRows},"estimatedBytes":${estimatedBytes},"mode":"${mode}"}`
    }
    case 'snapshot-end':
      return `${head(event)}${tableName(event.relation)},"rows":${event.rows}}`
    case 'table-left':
      return `${head(event)}${tableName(event.relation)},"reason":"${event.reason}"}`
    case 'relation': {
      const { oid, columns, replicaIdentity } = event.relation
      const tx = event.tx === undefined ? '' : inTransaction(event.tx)
      return `${head(event)}${tx}${tableName(event.relation)},"oid":${oid},"columns":${columnsOf(columns)},"replicaIdentity":"${replicaIdentity}","change":${changeOf(event.change)}}`
    }
    default:
      return event satisfies never
  }
}

function head({ kind, lsn }: Event<Tables>): string {
  return `{"kind":"${kind}","lsn":"${lsnText(lsn)}"`
}

const hexByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase().padStart(2, '0'))
let upperHigh = -1
let upperLow = -1
let upperText = ''

/** As formatLsn, for a run of LSNs near to each other, in a fifth of its time: all but the last 16 bits are kept as text. */
function lsnText(lsn: Lsn): string {
  const high = highHalfOf(lsn)
  const low = lowHalfOf(lsn)
  if (low < 0x1_0000) return `${high.toString(16)}/${low.toString(16)}`.toUpperCase()
  const middle = low >>> 16
  if (high !== upperHigh || middle !== upperLow) {
    upperHigh = high
    upperLow = middle
    upperText = `${high.toString(16)}/${middle.toString(16)}`.toUpperCase()
  }
  return upperText + hexByte[(low >>> 8) & 0xff]! + hexByte[low & 0xff]!
}

let lastTransaction: Transaction | undefined
let xidText = ''
let commitText = ''
let commitTimeText = ''

/** A transaction's parts of a line, kept for the one written last, since many lines in a row share it. */
function inTransaction(tx: Transaction, seq?: number, endLsn?: Lsn): string {
  if (tx !== lastTransaction) {
    lastTransaction = tx
    xidText = `,"xid":${tx.xid}`
    commitText = `,"commitLsn":"${lsnText(tx.commitLsn)}"`
    commitTimeText = `,"commitTime":"${formatTime(tx.commitTime)}"`
  }
  const seqText = seq === undefined ? '' : `,"seq":${seq}`
  const endText = endLsn === undefined ? '' : `,"endLsn":"${lsnText(endLsn)}"`
  return xidText + seqText + commitText + endText + commitTimeText
}

/** Microseconds since 1970-01-01 UTC as ISO 8601. The text of a second is kept, since many transactions fall into it. */
function formatTime(microseconds: bigint): string {
  const second = (microseconds < 0n ? microseconds - 999_999n : microseconds) / 1_000_000n
  if (second !== lastSecond) {
    lastSecond = second
    secondText = formatSecond(Number(second))
  }
  return `${secondText}.${String(microseconds - second * 1_000_000n).padStart(6, '0')}Z`
}

let lastSecond: bigint | undefined
let secondText = ''

/** 400 years: after them the calendar repeats. */
const calendarCycle = 146_097 * 86_400

/**
 * Seconds since 1970-01-01 UTC as YYYY-MM-DDTHH:MM:SS, years outside 0 to 9999 with a sign and six digits as Date has
 * them. A timestamp's range is a little wider than that of Date.
 */
function formatSecond(second: number): string {
  const cycles = Math.abs(second) > 8.64e12 ? Math.trunc(second / calendarCycle) : 0
  const date = new Date((second - cycles * calendarCycle) * 1000)
  const year = date.getUTCFullYear() + cycles * 400
  const yearText =
    year >= 0 && year <= 9999
      ? String(year).padStart(4, '0')
      : `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`
  // from behind the year up to the fraction: -MM-DDTHH:MM:SS
  return yearText + date.toISOString().slice(-20, -5)
}

/** What lines of a table have in common. */
interface TableLines {
  /** `,"schema":"…","table":"…"` */
  readonly name: string
  readonly columns: readonly ColumnLines[]
}

interface ColumnLines {
  readonly name: string
  /** The name as a JSON key, with the colon. */
  readonly key: string
  /** Every object inherits a property of this name, so that only hasOwn tells whether a row has the column. */
  readonly inherited: boolean
  readonly write: (value: unknown) => string
}

const tables = new WeakMap<Relation, TableLines>()
let lastRelation: Relation | undefined
let lastTable: TableLines | undefined

function tableOf(relation: Relation): TableLines {
  if (relation === lastRelation && lastTable !== undefined) return lastTable
  let table = tables.get(relation)
  if (table === undefined) {
    table = {
      name: tableName(relation),
      columns: relation.columns.map((column) => ({
        name: column.name,
        key: `${jsonString(column.name)}:`,
        inherited: column.name in Object.prototype,
        write: columnType(column)?.writeJson ?? jsonValue,
      })),
    }
    tables.set(relation, table)
  }
  lastRelation = relation
  lastTable = table
  return table
}

/** A row's columns in the order of the table, which an object's own order is not: it puts names like "1" first. */
function rowOf({ columns }: TableLines, row: object): string {
  assertRow(row)
  let text = ''
  for (const { name, key, inherited, write } of columns) {
    const value = row[name]
    if ((value === undefined || inherited) && !Object.hasOwn(row, name)) continue
    text += text === '' ? key : `,${key}`
    text += write(value)
  }
  return `{${text}}`
}

/** Every object has its properties by name; only an interface, as which a caller may have declared a row, does not say so. */
function assertRow(_row: object): asserts _row is Row {}

function tableName({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `,"schema":${jsonString(schema)},"table":${jsonString(name)}`
}

function columnOf({ name, type, typmod, key }: Column): string {
  return `{"name":${jsonString(name)},"type":${jsonString(type)},"typmod":${typmod},"key":${key}}`
}

function columnsOf(columns: readonly Column[]): string {
  return `[${columns.map(columnOf).join(',')}]`
}

/** A relation's difference, the columns in it as in the relation's own line. */
function changeOf(change: RelationChange | null): string {
  if (change === null) return 'null'
  const { added, dropped, renamed, retyped, identity, table } = change
  const retypedText = retyped.map(
    ({ column, from, to }) => `{"column":${jsonString(column)},"from":${columnOf(from)},"to":${columnOf(to)}}`,
  )
  return `{"added":${columnsOf(added)},"dropped":${columnsOf(dropped)},"renamed":${jsonValue(renamed)},"retyped":[${retypedText.join(',')}],"identity":${jsonValue(identity)},"table":${jsonValue(table)}}`
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A message's bytes: nothing says what they are, so as text where they are UTF-8, else in base 64. */
function contentOf(content: Uint8Array): string {
  try {
    return `"content":${jsonString(utf8.decode(content))}`
  } catch {
    const { buffer, byteOffset, byteLength } = content
    return `"contentBase64":"${Buffer.from(buffer, byteOffset, byteLength).toString('base64')}"`
  }
}
