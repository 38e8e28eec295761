import type { FoundTable } from '../known-members.ts'
import type { PublicationEntries } from './publication-entries.ts'
import type { CandidateTable, Publication } from './publication-rows.ts'

/** A table under whose name changes come in the stream. */
export interface Member {
  readonly table: CandidateTable
  /** Those through which it is published: they decide on columns and rows. */
  readonly publications: readonly Publication[]
  /** OIDs of the rows by which those have it: of its own or an ancestor's, of a schema's, or of the publication of all tables. */
  readonly memberships: readonly number[]
  /** The tables that hold the rows: the table itself, or the partitions at the ends of its tree. */
  readonly leaves: readonly CandidateTable[]
  /** Some of the partitions are never published (foreign or unlogged), so the copy must leave them out. */
  readonly unpublishedLeaves: boolean
}

/** A member as a position keeps it: the pairs of itself, then those of the partitions whose rows come under its name. */
export function foundTable({ table, memberships, leaves }: Member): FoundTable {
  const parts = table.kind === 'p' ? [table, ...leaves] : [table]
  return {
    table: `${table.schema}.${table.name}`,
    oid: table.oid,
    members: parts.flatMap(({ oid }) => memberships.map((membership) => ({ table: oid, membership }))),
  }
}

/** Tables below this OID belong to the server. */
const firstNormalOid = 16_384

/**
 * Which tables the stream can speak of. A partition is published under the name of the topmost ancestor that any of
 * the publications publishes in its place, and then only through those that do.
 *
 * @param candidates all members and all partitions below them, in the order of the answer
 * @see PG18: pgoutput.c get_rel_sync_entry, pg_publication.c is_publishable_class
 */
export function membersOf(
  publications: readonly Publication[],
  entries: PublicationEntries,
  candidates: readonly CandidateTable[],
): Member[] {
  const byOid = new Map(candidates.map((table) => [table.oid, table]))
  const children = childrenOf(candidates)
  const members: Member[] = []
  for (const table of candidates) {
    if (!isPublishable(table)) continue
    const lineage: [CandidateTable, ...CandidateTable[]] = [table, ...ancestorsOf(table, byOid)]
    const scope = publishedAs(lineage, publications, entries)
    if (scope?.as !== table) continue
    const ends = leavesOf(table, children)
    const leaves = ends.filter(isPublishable)
    members.push({
      table,
      publications: scope.publications,
      memberships: scope.publications.flatMap((publication) => membershipsOf(publication, lineage, entries)),
      leaves,
      unpublishedLeaves: leaves.length < ends.length,
    })
  }
  return members
}

function isPublishable({ kind, persistence, oid }: CandidateTable): boolean {
  return (kind === 'r' || kind === 'p') && persistence === 'p' && oid >= firstNormalOid
}

interface Scope {
  readonly as: CandidateTable
  readonly publications: readonly Publication[]
}

/** @param lineage the table itself at level 0, its parent at 1, and so on: the highest level wins */
function publishedAs(
  lineage: readonly [CandidateTable, ...CandidateTable[]],
  publications: readonly Publication[],
  entries: PublicationEntries,
): Scope | undefined {
  const [table] = lineage
  let top = -1
  let through: Publication[] = []
  for (const publication of publications) {
    const highest = publication.allTables
      ? lineage.length - 1
      : lineage.findLastIndex((relative) => isNamed(entries, publication, relative))
    // A partitioned table has no changes of its own.
    if (highest < 0 || (table.kind === 'p' && !publication.viaRoot)) continue
    const level = publication.viaRoot ? highest : 0
    if (level < top) continue
    if (level > top) through = []
    top = level
    through.push(publication)
  }
  const as = lineage[top]
  return as && { as, publications: through }
}

function isNamed(entries: PublicationEntries, publication: Publication, table: CandidateTable): boolean {
  return entries.ofTable(publication, table) !== undefined || entries.hasSchema(publication, table)
}

function membershipsOf(
  publication: Publication,
  lineage: readonly CandidateTable[],
  entries: PublicationEntries,
): readonly number[] {
  if (publication.allTables) return [publication.oid]
  return lineage.flatMap((relative) => entries.rowsOf(publication, relative).map(({ oid }) => oid))
}

function ancestorsOf(table: CandidateTable, byOid: ReadonlyMap<number, CandidateTable>): CandidateTable[] {
  const ancestors: CandidateTable[] = []
  for (let next = parentOf(table, byOid); next !== undefined; next = parentOf(next, byOid)) ancestors.push(next)
  return ancestors
}

/** A parent that is no candidate is in no publication, and nor is anything above it. */
function parentOf(table: CandidateTable, byOid: ReadonlyMap<number, CandidateTable>): CandidateTable | undefined {
  return table.parent === undefined ? undefined : byOid.get(table.parent)
}

function childrenOf(candidates: readonly CandidateTable[]): ReadonlyMap<number, readonly CandidateTable[]> {
  const children = new Map<number, CandidateTable[]>()
  for (const table of candidates) {
    if (table.parent === undefined) continue
    const siblings = children.get(table.parent)
    if (siblings === undefined) children.set(table.parent, [table])
    else siblings.push(table)
  }
  return children
}

/** The tables at the ends of a tree, which hold its rows. */
function leavesOf(
  table: CandidateTable,
  children: ReadonlyMap<number, readonly CandidateTable[]>,
): readonly CandidateTable[] {
  if (table.kind !== 'p') return [table]
  return (children.get(table.oid) ?? []).flatMap((child) => leavesOf(child, children))
}
