import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { JsonLine } from '../cli/command.ts'

type Row = Record<string, unknown>

interface Replicated {
  /** Names of the columns that identify a row; under identity full, all. */
  key: readonly string[]
  /** Rows by their identity; several where nothing tells them apart. */
  rows: Map<string, Row[]>
}

/** A `relation` line. */
interface RelationLine extends JsonLine {
  readonly columns: readonly { readonly name: string; readonly key: boolean }[]
}

/**
 * Tables rebuilt from nothing but the lines of an output, by the rules that any reader of it has. What contradicts them
 * throws: a change before the one before it or a second time, a row that is not there, a snapshot's row twice.
 */
export class Replica {
  readonly tables = new Map<string, Replicated>()
  readonly #copied = new Map<string, number>()
  #transaction: { commitLsn: string; nextSeq: number } | undefined
  #lastCommit = 0n
  /** How many lines were of each kind. */
  readonly kinds: Record<string, number> = {}

  /** Reads a whole output. */
  static async of(path: string): Promise<Replica> {
    const replica = new Replica()
    let number = 0
    for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
      number++
      try {
        replica.#apply(JSON.parse(text))
      } catch (error) {
        throw new Error(`line ${number}: ${text.slice(0, 300)}`, { cause: error })
      }
    }
    if (replica.#transaction)
      throw new Error(`the output ends inside the transaction ${replica.#transaction.commitLsn}`)
    return replica
  }

  /** The rows of a table, in the order of their text. */
  rows(table: string): string[] {
    const rows = [...(this.tables.get(table)?.rows.values() ?? [])].flat()
    return rows.map((row) => JSON.stringify(row)).sort()
  }

  #apply(line: JsonLine): void {
    this.kinds[line.kind] = (this.kinds[line.kind] ?? 0) + 1
    if (line.seq !== undefined) this.#count(line, line.seq)
    switch (line.kind) {
      case 'relation':
        this.#learn(line)
        return
      case 'snapshot-begin':
        if (line.mode === 'replace') this.#table(nameOf(line)).rows.clear()
        else if (this.#copied.has(nameOf(line))) throw new Error('the table is copied twice')
        this.#copied.set(nameOf(line), 0)
        return
      case 'snapshot':
        this.#copied.set(nameOf(line), (this.#copied.get(nameOf(line)) ?? Number.NaN) + 1)
        this.#add(line, true)
        return
      case 'table-left':
        this.tables.delete(nameOf(line))
        this.#copied.delete(nameOf(line))
        return
      case 'snapshot-end':
        if (this.#copied.get(nameOf(line)) !== line.rows) throw new Error('the number of rows is not that of the copy')
        return
      case 'begin':
        this.#begin(line)
        return
      case 'commit':
        if (this.#transaction?.commitLsn !== line.commitLsn) throw new Error('another transaction is open')
        this.#transaction = undefined
        return
      case 'insert':
        this.#add(line, false)
        return
      case 'update':
        this.#replace(line)
        return
      case 'delete':
        this.#take(line, line.old ?? line.key)
        return
      case 'truncate':
        for (const { table } of line.tables ?? []) this.#table(table).rows.clear()
        return
      case 'message':
        return
      default:
        throw new Error('nobody knows this kind')
    }
  }

  #learn(line: JsonLine): void {
    if (!isRelation(line)) throw new Error('a relation without columns')
    const name = nameOf(line)
    const key = line.columns.filter((column) => column.key).map((column) => column.name)
    const known = this.tables.get(name)
    if (known) known.key = key
    else this.tables.set(name, { key, rows: new Map() })
  }

  #begin(line: JsonLine): void {
    if (this.#transaction) throw new Error(`the transaction ${this.#transaction.commitLsn} has not ended`)
    const commit = lsn(line.commitLsn)
    if (commit <= this.#lastCommit) throw new Error('this commit is not after the one before it')
    this.#lastCommit = commit
    this.#transaction = { commitLsn: line.commitLsn ?? '', nextSeq: 0 }
  }

  /** (commitLsn, seq) only ever grows, so none is there twice and none is left out. */
  #count(line: JsonLine, seq: number): void {
    if (this.#transaction?.commitLsn !== line.commitLsn) throw new Error('the change is not of the open transaction')
    if (seq !== this.#transaction?.nextSeq) throw new Error(`expected seq ${this.#transaction?.nextSeq}`)
    this.#transaction.nextSeq++
  }

  #add(line: JsonLine, isCopied: boolean): void {
    const table = this.#table(nameOf(line))
    const row = line.new ?? {}
    const identity = identityOf(table, row)
    const same = table.rows.get(identity) ?? []
    const isUnique = table.key.length > 0 && table.key.length < Object.keys(row).length
    if (isUnique && same.length > 0) throw new Error(isCopied ? 'copied twice' : 'a row of this key is there already')
    table.rows.set(identity, [...same, row])
  }

  #replace(line: JsonLine): void {
    const table = this.#table(nameOf(line))
    const before = this.#take(line, line.old ?? line.key ?? line.new)
    const after = { ...line.new }
    for (const column of line.unchanged ?? []) after[column] = before[column]
    // in the order of the table, as every other row
    const row = Object.fromEntries(Object.keys(before).map((column) => [column, after[column]]))
    const identity = identityOf(table, row)
    table.rows.set(identity, [...(table.rows.get(identity) ?? []), row])
  }

  #take(line: JsonLine, identifying: Row | undefined): Row {
    const table = this.#table(nameOf(line))
    const identity = identityOf(table, identifying ?? {})
    const same = table.rows.get(identity) ?? []
    const row = same.pop()
    if (row === undefined) throw new Error('the row is not there')
    if (same.length === 0) table.rows.delete(identity)
    return row
  }

  #table(name: string): Replicated {
    const table = this.tables.get(name)
    if (!table) throw new Error('no relation line came before')
    return table
  }
}

function nameOf(line: JsonLine): string {
  return line.table ?? ''
}

function identityOf({ key }: Replicated, row: Row): string {
  return JSON.stringify((key.length > 0 ? key : Object.keys(row)).map((column) => row[column] ?? null))
}

function isRelation(line: JsonLine): line is RelationLine {
  return 'columns' in line && Array.isArray(line.columns)
}

function lsn(text = '0/0'): bigint {
  const [high = '0', low = '0'] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}
