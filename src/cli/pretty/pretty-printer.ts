import type { Relation } from '../../decoder/relation.ts'
import type { Batch } from '../../replication/batch.ts'
import type { Event, MessageEvent, Transaction } from '../../replication/events.ts'
import { displayWidth } from './display-width.ts'
import { cell, flow } from './flow.ts'
import { durationText, plural } from './quantities.ts'
import { deletePieces, insertPieces, type RowPieces, updatePieces } from './row-pieces.ts'
import { schemaPieces } from './schema-pieces.ts'
import { copiedLine, copyingLine, tableLeftLine } from './snapshot-lines.ts'
import { SnapshotProgress } from './snapshot-progress.ts'
import { clipSpans, renderSpans, type Span, type Style } from './spans.ts'
import { tableName } from './table-name.ts'
import type { Terminal } from './terminal.ts'
import { beginLine, commitLine, commitMs, dayOf } from './transaction-lines.ts'
import { quotedSpans } from './value-spans.ts'
import { visible } from './visible-text.ts'

/** Below this a table's name has no column of its own. */
const narrowColumns = 60
const leastColumns = 24
const mostNameCells = 30
const operationCells = 8
/** How often a copy is told about where its line cannot be replaced. */
const reportEveryMs = 5000

/**
 * Writes batches for people to read, one line or several for each event, every transaction in a bracket. Rows of a
 * snapshot are counted and not shown. The rows must have been read with `values: 'text'`.
 *
 * Whatever the values hold, the lines have no control characters but those of colours, and are no wider than the
 * terminal.
 */
export class PrettyPrinter {
  readonly #terminal: Terminal
  readonly #now: () => number
  readonly #snapshot: SnapshotProgress
  readonly #names = new WeakMap<Relation, string>()
  #nameCells = 0
  #reportedAt: number
  #day: string
  /** The transaction whose bracket is open, with what was shown of it. */
  #open: { readonly tx: Transaction; changes: number } | undefined
  #copied = { tables: 0, rows: 0, beganAt: 0 }

  /** @param now a clock in milliseconds since 1970 */
  constructor(terminal: Terminal, now: () => number = Date.now) {
    this.#terminal = terminal
    this.#now = now
    this.#snapshot = new SnapshotProgress(now)
    this.#reportedAt = now()
    this.#day = dayOf(now())
  }

  /** The lines of a batch. */
  lines(batch: Batch): string[] {
    const lines: (readonly Span[])[] = []
    // known beforehand, so that the lines of the copy are in line
    for (const event of batch.events) if (event.kind === 'snapshot-begin') this.#widen(this.#name(event.relation))
    for (const event of batch.events) lines.push(...this.#event(event))
    if (batch.position.phase === 'stream') lines.push(...this.#snapshotEnd())
    else lines.push(...this.#report())
    return this.#render(lines)
  }

  /** The lines that stand below everything else while tables are copied, as they are now. */
  live(): string[] {
    // a cell less than there are: a full line would begin the next one
    const columns = this.#columns - 1
    const lines = this.#snapshot.copying.map((progress) => copyingLine(progress, columns, { bar: true }))
    return this.#render(lines)
  }

  #render(lines: readonly (readonly Span[])[]): string[] {
    return lines.map((line) => renderSpans(clipSpans(line, this.#columns), this.#terminal.colour))
  }

  get #columns(): number {
    return Math.max(leastColumns, this.#terminal.columns)
  }

  #event(event: Event): (readonly Span[])[] {
    switch (event.kind) {
      case 'snapshot-begin':
        if (this.#copied.tables === 0 && this.#snapshot.copying.length === 0) this.#copied.beganAt = this.#now()
        this.#snapshot.begin(event, this.#name(event.relation))
        this.#widen(this.#name(event.relation))
        return event.mode === 'replace'
          ? [
              [
                { text: 'copying  ', style: 'snapshot' },
                { text: this.#name(event.relation), style: 'table' },
                { text: '  again: what came of it before is replaced' },
              ],
            ]
          : []
      case 'snapshot':
        this.#snapshot.row(event.table)
        return []
      case 'snapshot-end': {
        const progress = this.#snapshot.end(event.table)
        if (progress === undefined) return []
        this.#copied.tables++
        this.#copied.rows += event.rows
        return [copiedLine({ ...progress, rows: event.rows }, this.#nameCells)]
      }
      case 'begin':
        this.#open = { tx: event.tx, changes: 0 }
        return this.#begin(event.tx, 'begin')
      case 'commit': {
        const changes = this.#open?.changes ?? 0
        this.#open = undefined
        return [commitLine(event.tx, changes, this.#now())]
      }
      case 'relation':
        // the first use in a run says nothing that a reader of the changes does not see
        if (event.change === null) return []
        return this.#change('schema', this.#name(event.relation), event.tx, {
          pieces: schemaPieces(event.change),
          extra: [],
        })
      case 'table-left':
        return [tableLeftLine(this.#name(event.relation), event.reason)]
      case 'insert':
        return this.#row('insert', event, insertPieces(event, this.#valueCells))
      case 'update':
        return this.#row('update', event, updatePieces(event, this.#valueCells))
      case 'delete':
        return this.#row('delete', event, deletePieces(event, this.#valueCells))
      case 'truncate': {
        const names = event.relations.map((relation): Span[] => [{ text: this.#name(relation), style: 'table' }])
        const options = [event.cascade && 'cascade', event.restartIdentity && 'restart identity'].filter(Boolean)
        const pieces = [...names, ...options.map((text): Span[] => [{ text: String(text), style: 'faint' }])]
        return this.#counted(event.tx, this.#change('truncate', '', event.tx, { pieces, extra: [] }))
      }
      case 'message':
        return this.#message(event)
      default:
        return event satisfies never
    }
  }

  /** What one value may take: half a line, but not so little that nothing is left of it. */
  get #valueCells(): number {
    const room = this.#columns - 12
    return Number.isFinite(room) ? Math.min(room, Math.max(40, Math.floor(room / 2))) : 100
  }

  #row(
    operation: 'insert' | 'update' | 'delete',
    event: { readonly relation: Relation; readonly tx: Transaction },
    row: RowPieces,
  ): (readonly Span[])[] {
    return this.#counted(event.tx, this.#change(operation, this.#name(event.relation), event.tx, row))
  }

  #counted(tx: Transaction, lines: (readonly Span[])[]): (readonly Span[])[] {
    if (this.#open?.tx === tx) this.#open.changes++
    return lines
  }

  #message(event: MessageEvent): (readonly Span[])[] {
    const prefix: Span[] = [{ text: `${visible(event.prefix)}:`, style: 'faint' }]
    const { byteLength } = event.content
    const text = utf8(event.content)
    const content = text === undefined ? [{ text: plural(byteLength, 'byte') }] : quotedSpans(text, this.#valueCells)
    const lines = this.#change('message', '', event.tx, { pieces: [[...prefix, { text: ' ' }, ...content]], extra: [] })
    return event.tx === undefined ? lines : this.#counted(event.tx, lines)
  }

  /** The lines of one change, inside the bracket of its transaction. */
  #change(operation: Style & string, name: string, tx: Transaction | undefined, row: RowPieces): (readonly Span[])[] {
    const before = tx === undefined ? [] : this.#resumed(tx)
    const bracket: Span = { text: tx === undefined ? '  ' : '│ ', style: 'faint' }
    const isNarrow = this.#columns < narrowColumns
    if (name !== '') this.#widen(name)
    const table: Span[] = [{ text: name, style: 'table' }]
    const first: Span[] = [
      bracket,
      ...cell([{ text: operation, style: operation }], operationCells),
      { text: ' ' },
      ...(name === '' ? [] : [...(isNarrow ? table : cell(table, this.#nameCells)), { text: '  ' }]),
    ]
    const indent = isNarrow ? 2 : operationCells + 1
    const next: Span[] = [bracket, { text: ' '.repeat(indent) }]
    return [...before, ...flow({ columns: this.#columns, first, next, ...row })]
  }

  /** A run that continues inside a transaction does not see its beginning. */
  #resumed(tx: Transaction): (readonly Span[])[] {
    if (this.#open?.tx.xid === tx.xid && this.#open.tx.commitLsn === tx.commitLsn) return []
    this.#open = { tx, changes: 0 }
    return this.#begin(tx, 'goes on')
  }

  #begin(tx: Transaction, what: 'begin' | 'goes on'): (readonly Span[])[] {
    const line = beginLine(tx, what)
    const day = dayOf(commitMs(tx))
    if (day === this.#day) return [line]
    this.#day = day
    return [[{ text: day, style: 'strong' }], line]
  }

  #snapshotEnd(): (readonly Span[])[] {
    const { tables, rows, beganAt } = this.#copied
    if (tables === 0) return []
    this.#copied = { tables: 0, rows: 0, beganAt: 0 }
    const took = durationText(this.#now() - beganAt)
    return [
      [
        { text: 'copied   ', style: 'snapshot' },
        { text: `${plural(tables, 'table')}, ${plural(rows, 'row')} in ${took}; from here on changes as they commit` },
      ],
    ]
  }

  /** Where lines stay, the copy of a large table says now and then that it goes on. */
  #report(): (readonly Span[])[] {
    if (this.#terminal.live || this.#now() - this.#reportedAt < reportEveryMs) return []
    const { copying } = this.#snapshot
    if (copying.length === 0) return []
    this.#reportedAt = this.#now()
    return copying.map((progress) => copyingLine(progress, this.#columns, { bar: false }))
  }

  /** The column of the tables' names grows with them, but not for a name that would take the room from all others. */
  #widen(name: string): void {
    const cells = displayWidth(visible(name))
    if (cells <= mostNameCells) this.#nameCells = Math.max(this.#nameCells, cells)
  }

  #name(relation: Relation): string {
    let name = this.#names.get(relation)
    if (name === undefined) {
      name = tableName(relation)
      this.#names.set(relation, name)
    }
    return name
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(content: Uint8Array): string | undefined {
  try {
    return decoder.decode(content)
  } catch {
    return undefined
  }
}
