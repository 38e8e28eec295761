import type { JsonLine } from '../../cli/command.ts'

/** A row by its columns, in the server's text. */
export type TextRow = Readonly<Record<string, unknown>>

/** A table as the output's reader has it. */
interface CheckedTable {
  /** The columns that identify a row; all of them where none do. */
  key: readonly string[]
  /** Whether these tell every row from the others. */
  isUnique: boolean
  /** Rows by their identity; several where nothing tells them apart. */
  readonly rows: Map<string, TextRow[]>
}

/** A `relation` line. */
interface RelationLine extends JsonLine {
  readonly replicaIdentity: string
  readonly columns: readonly { readonly name: string; readonly key: boolean }[]
}

/** A sum that every commit must leave as it is. */
export interface Constant {
  readonly table: string
  readonly column: string
  readonly sum: number
}

/** So many are told; a fault that comes again and again is told often enough by then. */
const mostProblems = 20

/**
 * Reads the lines of an output, in order, and notes everything in which it contradicts what is promised: changes that are
 * left out or come again, commits that are not in order, rows that cannot be, a sum that a commit changed. Pure: it knows
 * nothing but the lines.
 */
export class OutputCheck {
  readonly problems: string[] = []
  /** How many problems there are, told or not. */
  problemCount = 0
  /** Changes that are counted in their transactions. */
  events = 0
  commits = 0
  /** Changes that a transaction's count leaves out. */
  lost = 0
  /** Changes that were there before. */
  repeated = 0
  readonly #constant: Constant
  readonly #tables = new Map<string, CheckedTable>()
  readonly #copied = new Map<string, number>()
  /** Of each transaction that has ended: how many changes it had. */
  readonly #ended = new Map<string, number>()
  #transaction: { readonly commitLsn: string; nextSeq: number; readonly isRepeat: boolean } | undefined
  #lastCommit = 0n
  #sum = 0
  #copiesOver = false
  #number = 0

  constructor(constant: Constant) {
    this.#constant = constant
  }

  /** The rows of a table. */
  rows(table: string): TextRow[] {
    return [...(this.#tables.get(table)?.rows.values() ?? [])].flat()
  }

  /** Takes the next line. */
  line(text: string): void {
    this.#number++
    let line: JsonLine
    try {
      line = JSON.parse(text)
    } catch {
      this.#problem('not a line of JSON', text)
      return
    }
    const problem = this.#take(line)
    if (problem !== undefined) this.#problem(problem, text)
  }

  /** There are no more lines. */
  end(): void {
    if (this.#transaction) this.#problem(`the output ends inside the transaction ${this.#transaction.commitLsn}`, '')
  }

  #problem(what: string, text: string): void {
    this.problemCount++
    if (this.problems.length < mostProblems) {
      this.problems.push(`line ${this.#number}: ${what}${text === '' ? '' : `: ${text.slice(0, 300)}`}`)
    }
  }

  #take(line: JsonLine): string | undefined {
    if (line.seq !== undefined) {
      const { problem, isNew } = this.#count(line, line.seq)
      // one that was there before changed the tables then
      if (!isNew) return problem
      return [problem, this.#apply(line)].filter((found) => found !== undefined).join('; ') || undefined
    }
    switch (line.kind) {
      case 'begin':
        return this.#begin(line)
      case 'commit':
        return this.#commit(line)
      default:
        return this.#apply(line)
    }
  }

  #begin(line: JsonLine): string | undefined {
    const open = this.#transaction
    const commitLsn = line.commitLsn ?? ''
    const isRepeat = this.#ended.has(commitLsn)
    const isInOrder = lsnOf(commitLsn) > this.#lastCommit
    this.#transaction = { commitLsn, nextSeq: 0, isRepeat }
    if (isInOrder) this.#lastCommit = lsnOf(commitLsn)
    if (open) return `the transaction ${open.commitLsn} had not ended`
    if (isRepeat) return 'this transaction was there before'
    return isInOrder ? undefined : 'this commit is not after the one before it'
  }

  #commit(line: JsonLine): string | undefined {
    const open = this.#transaction
    this.#transaction = undefined
    this.commits++
    if (open === undefined || open.commitLsn !== line.commitLsn) return 'it ends a transaction that is not open'
    this.#ended.set(open.commitLsn, open.nextSeq)
    this.#copiesOver = true
    return this.#checkSum()
  }

  #checkSum(): string | undefined {
    const { table, sum } = this.#constant
    return this.#sum === sum ? undefined : `the sum of ${table} is ${this.#sum} and not ${sum}`
  }

  /** In a transaction each number comes once, and none is left out. */
  #count(line: JsonLine, seq: number): { problem: string | undefined; isNew: boolean } {
    const open = this.#transaction
    if (open === undefined || open.commitLsn !== line.commitLsn) {
      return { problem: 'the change is not of the open transaction', isNew: true }
    }
    if (open.isRepeat || seq < open.nextSeq) {
      this.repeated++
      return { problem: `change ${seq} of the transaction ${open.commitLsn} was there before`, isNew: false }
    }
    const missing = seq - open.nextSeq
    this.events++
    this.lost += missing
    open.nextSeq = seq + 1
    return { problem: missing === 0 ? undefined : `${missing} changes are missing before this one`, isNew: true }
  }

  #apply(line: JsonLine): string | undefined {
    switch (line.kind) {
      case 'relation':
        return this.#learn(line)
      case 'snapshot-begin':
        return this.#beginCopy(line)
      case 'snapshot':
        this.#copied.set(nameOf(line), (this.#copied.get(nameOf(line)) ?? 0) + 1)
        return this.#add(line)
      case 'snapshot-end':
        if (this.#copied.get(nameOf(line)) !== line.rows) return 'the number of rows is not that of the copy'
        return nameOf(line) === this.#constant.table ? this.#checkSum() : undefined
      case 'table-left':
        this.#clear(nameOf(line))
        this.#tables.delete(nameOf(line))
        this.#copied.delete(nameOf(line))
        return undefined
      case 'insert':
        return this.#add(line)
      case 'update':
        return this.#replace(line)
      case 'delete':
        return this.#remove(line, line.old ?? line.key).problem
      case 'truncate':
        for (const { table } of line.tables ?? []) this.#clear(table)
        return undefined
      case 'message':
        return undefined
      default:
        return 'nobody knows this kind'
    }
  }

  #learn(line: JsonLine): string | undefined {
    if (!isRelation(line)) return 'a relation without columns'
    const key = line.columns.filter((column) => column.key).map((column) => column.name)
    const known = this.#tables.get(nameOf(line))
    const isUnique = key.length > 0 && line.replicaIdentity !== 'full'
    if (known) Object.assign(known, { key, isUnique })
    else this.#tables.set(nameOf(line), { key, isUnique, rows: new Map() })
    return undefined
  }

  #beginCopy(line: JsonLine): string | undefined {
    const name = nameOf(line)
    const before = this.#copied.get(name)
    this.#copied.set(name, 0)
    if (line.mode === 'replace') {
      this.#clear(name)
      return undefined
    }
    if (this.#copiesOver) return 'a first copy in the middle of the changes'
    return before === undefined ? undefined : 'the table is copied again, and not as a replacement'
  }

  #add(line: JsonLine): string | undefined {
    const table = this.#table(line)
    const row = line.new ?? {}
    const identity = identityOf(table, row)
    const same = table.rows.get(identity) ?? []
    if (table.isUnique && same.length > 0) {
      this.#weigh(line, same.pop(), -1)
      table.rows.set(identity, [row])
      this.#weigh(line, row, 1)
      return 'a row of this key is there already'
    }
    same.push(row)
    table.rows.set(identity, same)
    this.#weigh(line, row, 1)
    return undefined
  }

  #replace(line: JsonLine): string | undefined {
    const { row: before = {}, problem } = this.#remove(line, line.old ?? line.key ?? line.new)
    const unchanged = Object.fromEntries((line.unchanged ?? []).map((column) => [column, before[column]]))
    return problem ?? this.#add({ ...line, new: { ...line.new, ...unchanged } })
  }

  #remove(line: JsonLine, identifying: TextRow = {}): { row?: TextRow; problem: string | undefined } {
    const table = this.#table(line)
    const identity = identityOf(table, identifying)
    const same = table.rows.get(identity) ?? []
    const row = same.pop()
    if (row === undefined) return { problem: 'the row is not there' }
    if (same.length === 0) table.rows.delete(identity)
    this.#weigh(line, row, -1)
    return { row, problem: undefined }
  }

  #clear(name: string): void {
    this.#tables.get(name)?.rows.clear()
    if (name === this.#constant.table) this.#sum = 0
  }

  #weigh(line: JsonLine, row: TextRow | undefined, sign: 1 | -1): void {
    const { table, column } = this.#constant
    if (nameOf(line) === table && row !== undefined) this.#sum += sign * Number(row[column])
  }

  #table(line: JsonLine): CheckedTable {
    const known = this.#tables.get(nameOf(line))
    if (known !== undefined) return known
    this.#problem('no relation line came before', nameOf(line))
    const made = { key: [], isUnique: false, rows: new Map() }
    this.#tables.set(nameOf(line), made)
    return made
  }
}

function nameOf(line: JsonLine): string {
  return line.table ?? ''
}

function identityOf({ key }: CheckedTable, row: TextRow): string {
  return JSON.stringify((key.length > 0 ? key : Object.keys(row)).map((column) => row[column] ?? null))
}

function isRelation(line: JsonLine): line is RelationLine {
  return 'columns' in line && Array.isArray(line.columns) && 'replicaIdentity' in line
}

/** An LSN as a number. */
export function lsnOf(text: string): bigint {
  const [high = '', low = ''] = text.split('/')
  return (BigInt(`0x${high || '0'}`) << 32n) | BigInt(`0x${low || '0'}`)
}
