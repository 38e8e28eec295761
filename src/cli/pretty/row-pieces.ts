import type { Column, Relation, Row } from '../../decoder/relation.ts'
import type { DeleteEvent, InsertEvent, UpdateEvent } from '../../replication/events.ts'
import { type Span, type Style, widthOf } from './spans.ts'
import { shownName } from './table-name.ts'
import { valueSpans } from './value-spans.ts'

/** What is shown of a change's row. */
export interface RowPieces {
  readonly pieces: readonly (readonly Span[])[]
  /** What did not change, to be shown where there is room for it. */
  readonly extra: readonly (readonly Span[])[]
}

/** Every column of a new row. */
export function insertPieces(event: InsertEvent, cells: number): RowPieces {
  const { relation, new: row } = event
  const pieces = columnsIn(relation, row).map((column) => piece(column, row, cells))
  return { pieces: [...pieces, ...unchangedMarks(event)], extra: [] }
}

/** All that is known of a row that is gone. */
export function deletePieces({ relation, old, key }: DeleteEvent, cells: number): RowPieces {
  const row = old ?? key
  return { pieces: columnsIn(relation, row).map((column) => piece(column, row, cells)), extra: [] }
}

/**
 * What an update changed. With the whole row of before it is known: those columns, before and after. Otherwise the key
 * comes first, so that one sees which row it is, and then every value that was sent.
 */
export function updatePieces(event: UpdateEvent, cells: number): RowPieces {
  const { relation, old, key, new: row } = event
  const marks = unchangedMarks(event)
  if (old === undefined) {
    const columns = columnsIn(relation, row)
    const inKey = (column: Column) => column.key && relation.replicaIdentity !== 'full'
    return {
      pieces: [
        ...columns.filter(inKey).map((column) => changePiece(column, key ?? row, row, cells)),
        ...columns.filter((column) => !inKey(column)).map((column) => piece(column, row, cells)),
        ...marks,
      ],
      extra: [],
    }
  }
  const columns = columnsIn(relation, row)
  const same = columns.filter(({ name }) => old[name] === row[name])
  const changed = columns.filter((column) => !same.includes(column))
  // nothing tells which columns identify the row, under identity full all do; usually the first one does
  const lead = same[0] === relation.columns[0] ? same[0] : undefined
  return {
    pieces: [
      ...(lead === undefined ? [] : [piece(lead, row, cells)]),
      ...changed.map((column) => changePiece(column, old, row, cells)),
      ...(changed.length === 0 ? [[{ text: '(no change)', style: 'faint' } as const]] : []),
      ...marks,
    ],
    extra: same.filter((column) => column !== lead).map((column) => piece(column, row, cells, 'faint')),
  }
}

function columnsIn(relation: Relation, row: Row): readonly Column[] {
  return relation.columns.filter(({ name }) => Object.hasOwn(row, name))
}

function nameSpan({ name }: Column): Span {
  return { text: `${shownName(name)}: `, style: 'faint' }
}

function piece(column: Column, row: Row, cells: number, style?: Style): Span[] {
  return [nameSpan(column), ...valueSpans(row[column.name], column, cells, style)]
}

function changePiece(column: Column, before: Row, after: Row, cells: number): Span[] {
  const { name } = column
  if (before[name] === after[name]) return piece(column, after, cells, 'strong')
  // both on one line where they can be: what one of them leaves is the other's
  const room = 2 * cells - widthOf([nameSpan(column)]) - 3
  const half = Math.max(12, Math.floor(room / 2))
  const short = widthOf(valueSpans(after[name], column, half, 'after'))
  const from = valueSpans(before[name], column, Math.max(half, room - short), 'before')
  const to = valueSpans(after[name], column, Math.max(half, room - widthOf(from)), 'after')
  return [nameSpan(column), ...from, { text: ' → ', style: 'faint' }, ...to]
}

/** The large values that were not sent. */
function unchangedMarks({ relation, unchanged }: InsertEvent | UpdateEvent): Span[][] {
  const columns = (unchanged ?? []).flatMap((name) => relation.columns.filter((column) => column.name === name))
  return columns.map((column) => [nameSpan(column), { text: '(unchanged)', style: 'faint' }])
}
