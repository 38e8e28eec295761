import { type Column, type Relation, sameColumnType } from '../decoder/relation.ts'
import type { RelationChange } from './events.ts'

/**
 * What differs between two schemas of one table.
 *
 * The stream does not number columns, so a rename is inferred: a column that is gone and one that is new are the same
 * if they stand between the same neighbours and hold the same type. Dropping the last column and adding another of its
 * type, with no change to the table's rows between, cannot be told from a rename; both are what the rows look like.
 */
export function describeChange(before: Relation, after: Relation): RelationChange {
  const oldNames = new Set(before.columns.map((column) => column.name))
  const newByName = new Map(after.columns.map((column, index) => [column.name, index]))
  const added: Column[] = []
  const dropped: Column[] = []
  const renamed: { from: string; to: string }[] = []
  const retyped: { column: string; from: Column; to: Column }[] = []

  let next = 0
  /** The new columns, up to the given place, that no old column was matched with. */
  const takeAddedUpTo = (end: number) => {
    for (; next < end; next++) {
      const column = after.columns[next]!
      if (!oldNames.has(column.name)) added.push(column)
    }
  }
  for (const column of before.columns) {
    const place = newByName.get(column.name)
    if (place !== undefined) {
      takeAddedUpTo(place)
      next = Math.max(next, place + 1)
      const now = after.columns[place]!
      if (!sameColumnType(column, now)) retyped.push({ column: column.name, from: column, to: now })
      continue
    }
    const candidate = after.columns[next]
    if (candidate && !oldNames.has(candidate.name) && sameColumnType(column, candidate)) {
      renamed.push({ from: column.name, to: candidate.name })
      next++
    } else {
      dropped.push(column)
    }
  }
  takeAddedUpTo(after.columns.length)

  return {
    added,
    dropped,
    renamed,
    retyped,
    identity: identityChange(before, after),
    table: tableChange(before, after),
  }
}

function identityChange(before: Relation, after: Relation): RelationChange['identity'] {
  const from = { replicaIdentity: before.replicaIdentity, key: keyOf(before) }
  const to = { replicaIdentity: after.replicaIdentity, key: keyOf(after) }
  // under identity full every column is in the key, so the key follows the columns and says nothing of its own
  const same =
    from.replicaIdentity === to.replicaIdentity && (from.replicaIdentity === 'full' || sameList(from.key, to.key))
  return same ? undefined : { from, to }
}

function tableChange(before: Relation, after: Relation): RelationChange['table'] {
  return before.table === after.table ? undefined : { from: before.table, to: after.table }
}

function keyOf(relation: Relation): string[] {
  return relation.columns.filter((column) => column.key).map((column) => column.name)
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}
