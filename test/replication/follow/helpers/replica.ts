import type { Event, Relation, Row } from '../../../../src/index.ts'

/** One table: rows by key, or all rows where there is no key, or the whole row is one. */
interface ReplicaTable {
  relation: Relation
  rows: Map<string, Row>
  /** Tells equal rows of a table without key apart. */
  copies: number
}

/**
 * Rebuilds tables from a feed's events, the way a consumer would, and takes no nonsense: a row that is inserted twice,
 * and a row that is changed or deleted without being there, are a repeat and a gap.
 */
export class Replica {
  readonly #tables = new Map<string, ReplicaTable>()

  apply(events: Iterable<Event>): this {
    for (const event of events) this.#apply(event)
    return this
  }

  /** The tables of which there are rows, in alphabetical order. */
  get tables(): string[] {
    return [...this.#tables].flatMap(([name, { rows }]) => (rows.size > 0 ? [name] : [])).sort()
  }

  /** The rows of a table in no particular order. */
  rows(table: string): Row[] {
    return [...this.#tableNamed(table).rows.values()]
  }

  #apply(event: Event): void {
    switch (event.kind) {
      case 'relation':
        this.#define(event.relation)
        break
      case 'snapshot-begin':
        if (event.mode === 'replace') this.#table(event.relation).rows.clear()
        break
      case 'snapshot':
      case 'insert':
        this.#insert(this.#table(event.relation), event.new)
        break
      case 'update': {
        const table = this.#table(event.relation)
        const before = this.#remove(table, event.old ?? event.key ?? event.new)
        const unchanged: Row = {}
        for (const name of event.unchanged ?? []) unchanged[name] = before[name]
        this.#insert(table, { ...event.new, ...unchanged })
        break
      }
      case 'delete':
        this.#remove(this.#table(event.relation), event.old ?? event.key)
        break
      case 'truncate':
        for (const relation of event.relations) this.#table(relation).rows.clear()
        break
      case 'table-left':
        this.#tables.delete(event.table)
        break
      case 'snapshot-end':
      case 'begin':
      case 'commit':
      case 'message':
        break
      default:
        event satisfies never
    }
  }

  #define(relation: Relation): void {
    const table = this.#tables.get(relation.table)
    if (table === undefined) this.#tables.set(relation.table, { relation, rows: new Map(), copies: 0 })
    else table.relation = relation
  }

  #table(relation: Relation): ReplicaTable {
    const table = this.#tableNamed(relation.table)
    table.relation = relation
    return table
  }

  #tableNamed(name: string): ReplicaTable {
    const table = this.#tables.get(name)
    if (table === undefined) throw new Error(`table ${name} was never announced`)
    return table
  }

  #insert(table: ReplicaTable, row: Row): void {
    const key = keyOf(table.relation, row)
    if (key === undefined) {
      table.rows.set(`copy ${table.copies++}`, row)
    } else if (table.rows.has(key)) {
      throw new Error(`row ${key} of ${table.relation.table} came twice`)
    } else {
      table.rows.set(key, row)
    }
  }

  #remove(table: ReplicaTable, before: Row): Row {
    const key = keyOf(table.relation, before) ?? findCopy(table, before)
    const row = key === undefined ? undefined : table.rows.get(key)
    if (key === undefined || row === undefined) {
      throw new Error(`row ${JSON.stringify(before)} of ${table.relation.table} is changed and was never there`)
    }
    table.rows.delete(key)
    return row
  }
}

/** Undefined where a table has no key of its own. */
function keyOf({ replicaIdentity, columns }: Relation, row: Row): string | undefined {
  const key = columns.filter((column) => column.key)
  if (replicaIdentity === 'full' || key.length === 0) return undefined
  return JSON.stringify(key.map(({ name }) => row[name]))
}

function findCopy(table: ReplicaTable, before: Row): string | undefined {
  const wanted = JSON.stringify(before)
  for (const [key, row] of table.rows) if (JSON.stringify(row) === wanted) return key
  return undefined
}
