import { type Column, type Relation, sameColumnType } from '../../decoder/relation.ts'
import type { RelationChange } from '../events.ts'

/**
 * What differs between two schemas of one table.
 *
 * The stream does not number columns, so what was done to them is inferred: the least that can have been done, given
 * that columns never change their order. Some things cannot be told apart, since rows look the same after them: to drop
 * the last column and add another of its type is a rename here, and two neighbours of one type that swap their names
 * are one that is dropped and added.
 */
export function describeChange(before: Relation, after: Relation): RelationChange {
  const added: Column[] = []
  const dropped: Column[] = []
  const renamed: { from: string; to: string }[] = []
  const retyped: { column: string; from: Column; to: Column }[] = []
  for (const { from, to } of alignColumns(before.columns, after.columns)) {
    if (from === undefined) added.push(to)
    else if (to === undefined) dropped.push(from)
    else if (from.name !== to.name) renamed.push({ from: from.name, to: to.name })
    else if (!sameColumnType(from, to)) retyped.push({ column: to.name, from, to })
  }
  return {
    added,
    dropped,
    renamed,
    retyped,
    identity: identityChange(before, after, renamed),
    table: tableChange(before, after),
  }
}

/** One column before and after: gone, new, or the same. */
type ColumnPair =
  | { readonly from: Column; readonly to: Column }
  | { readonly from: Column; readonly to: undefined }
  | { readonly from: undefined; readonly to: Column }

/** Dropping or adding a column. */
const oneChange = 10_000
/** A little less than dropping one and adding another, which it is called only where nothing better is to be found. */
const rename = 2 * oneChange - 2
const retype = 2 * oneChange - 3

/** Pairs the columns of two schemas in order, at the lowest cost: edit distance, from the end to the beginning. */
function alignColumns(before: readonly Column[], after: readonly Column[]): ColumnPair[] {
  const width = after.length + 1
  const costs = new Int32Array((before.length + 1) * width)
  const costFrom = (old: number, now: number) => costs[old * width + now]!
  const pairCost = (old: number, now: number) => costFrom(old + 1, now + 1) + stepCost(before[old]!, after[now]!)
  for (let old = before.length; old >= 0; old--) {
    for (let now = after.length; now >= 0; now--) {
      if (old === before.length && now === after.length) continue
      let lowest = Infinity
      if (old < before.length) lowest = costFrom(old + 1, now) + oneChange
      if (now < after.length) lowest = Math.min(lowest, costFrom(old, now + 1) + oneChange)
      if (old < before.length && now < after.length) lowest = Math.min(lowest, pairCost(old, now))
      costs[old * width + now] = lowest
    }
  }
  const pairs: ColumnPair[] = []
  for (let old = 0, now = 0; old < before.length || now < after.length; ) {
    const from = before[old]
    const to = after[now]
    const cost = costFrom(old, now)
    if (from !== undefined && to !== undefined && cost === pairCost(old, now)) {
      pairs.push({ from, to })
      old++
      now++
    } else if (from !== undefined && cost === costFrom(old + 1, now) + oneChange) {
      pairs.push({ from, to: undefined })
      old++
    } else if (to !== undefined) {
      pairs.push({ from: undefined, to })
      now++
    }
  }
  return pairs
}

/** Of two columns being the same one. To rename and retype it at once counts as dropping and adding. */
function stepCost(from: Column, to: Column): number {
  if (sameColumnType(from, to)) return from.name === to.name ? 0 : rename
  return from.name === to.name ? retype : Infinity
}

function identityChange(
  before: Relation,
  after: Relation,
  renamed: RelationChange['renamed'],
): RelationChange['identity'] {
  const newNames = new Map(renamed.map(({ from, to }) => [from, to]))
  const from = { replicaIdentity: before.replicaIdentity, key: keyOf(before) }
  const to = { replicaIdentity: after.replicaIdentity, key: keyOf(after) }
  // Under identity full every column is in the key, so the key follows the columns and says nothing of its own; and a
  // key column with another name is still the key.
  const same =
    from.replicaIdentity === to.replicaIdentity &&
    (from.replicaIdentity === 'full' ||
      sameList(
        from.key.map((name) => newNames.get(name) ?? name),
        to.key,
      ))
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
