import { replicaIdentities } from '../../decoder/messages.ts'
import type { PartitionIdentity } from '../../decoder/partition-identity.ts'
import type { Column, Relation } from '../../decoder/relation.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import { quoteIdentifier, quoteLiteral } from '../../protocol/messages/quote.ts'
import { type Queryable, queryRows, type TextRow } from '../catalog/queryable.ts'
import type { MemberPair } from '../members.ts'
import { checkIdentified, joinIdentity, partitionsOf, readPartitionIdentities } from './identified-rows.ts'
import { PublicationEntries } from './publication-entries.ts'
import { foundTable, type Member, membersOf } from './publication-members.ts'
import { type CandidateTable, type Membership, type Publication, publishedActions } from './publication-rows.ts'
import { type AttributeFacts, publishedAttributes, publishedRows } from './publication-scope.ts'

/** A table as its publications give it away: what of it is copied, and as what it comes in the stream. */
export interface PublishedTable {
  readonly oid: number
  /** The columns are exactly those of the stream's Relation message. */
  readonly relation: Relation
  /** OIDs of the publications whose row filters it has, any of which lets a row pass; none where all rows are published. */
  readonly filteredBy: readonly number[]
  /** The rows are in its partitions, and come in the stream under this table's name (`publish_via_partition_root`). */
  readonly partitioned: boolean
  /** The tables that hold the rows: itself, or the partitions at the ends of its tree. */
  readonly leaves: readonly CandidateTable[]
  /** Some of the partitions are never published (foreign or unlogged), so the copy must leave them out. */
  readonly unpublishedLeaves: boolean
  /** Some of its columns are generated. */
  readonly hasGenerated: boolean
  /** The replica identities of those partitions, by OID: they decide what is logged of a row, and not the root's. */
  readonly partitions: ReadonlyMap<number, PartitionIdentity>
  /** What a position keeps of it. */
  readonly members: readonly MemberPair[]
  /** The planner's estimate, -1 where no part of the table was ever analysed. */
  readonly estimatedRows: number
}

/**
 * Reads what publications hold, as the connection's snapshot sees it: the tables that the stream of these publications
 * can speak of, ordered by schema and name.
 *
 * It follows what pgoutput does with each change and not `pg_publication_tables`, whose rules differ when several
 * publications treat partitions differently. No table is opened: that would wait for whoever holds it in ACCESS
 * EXCLUSIVE mode, and for whoever waits for that. What needs it is read when a table is copied, {@link readTableCopy}.
 *
 * @param version as `server_version_num`
 * @throws {WalwireError} `publication_missing` naming those that are; `publication_conflict` when the server would refuse
 * to stream a table because its publications name different columns; `identity_conflict` when changes would not say which
 * row of a table they are of.
 * @see PG18: src/backend/replication/pgoutput/pgoutput.c get_rel_sync_entry
 */
export async function readPublications(
  connection: Queryable,
  names: readonly string[],
  version: number,
): Promise<PublishedTable[]> {
  const { entries, members } = await readMembers(connection, names, version)
  const oids = members.map(({ table }) => table.oid)
  const attributes = parseAttributes(oids.length === 0 ? [] : await queryRows(connection, attributesSql(oids, version)))
  const identities = await readPartitionIdentities(connection, members, version)
  const tables: PublishedTable[] = []
  for (const member of members) {
    const facts = attributes.get(member.table.oid) ?? []
    const table = publishedTable(
      member,
      publishedAttributes(member.table, member.publications, entries, facts, version),
      entries,
      identities,
    )
    await checkIdentified(connection, member, facts, table.relation, table.partitions, version)
    tables.push(table)
  }
  return tables
}

/** What publications name, and what of it they publish. */
export interface PublishedMembers {
  readonly publications: readonly Publication[]
  readonly entries: PublicationEntries
  /** Whatever is named, and every partition below: not all of it can be published. */
  readonly candidates: readonly CandidateTable[]
  readonly members: readonly Member[]
}

/** Reads which tables publications have, and no more. @throws {WalwireError} `publication_missing` naming those that are. */
export async function readMembers(
  connection: Queryable,
  names: readonly string[],
  version: number,
): Promise<PublishedMembers> {
  const publications = await findPublications(connection, names)
  const entries = new PublicationEntries(
    parseMemberships(await queryRows(connection, membershipsSql(publications, version))),
  )
  const candidates = parseCandidates(await queryRows(connection, candidatesSql(publications, version)))
  return { publications, entries, candidates, members: membersOf(publications, entries, candidates) }
}

function publishedTable(
  member: Member,
  published: readonly AttributeFacts[],
  entries: PublicationEntries,
  identities: ReadonlyMap<number, PartitionIdentity>,
): PublishedTable {
  const { table, publications, leaves, unpublishedLeaves } = member
  const known = leaves.filter((leaf) => leaf.estimatedRows >= 0)
  return {
    oid: table.oid,
    relation: {
      oid: table.oid,
      schema: table.schema,
      name: table.name,
      table: `${table.schema}.${table.name}`,
      replicaIdentity: replicaIdentities[table.replicaIdentity] ?? 'nothing',
      columns: published.map((attribute) => asColumn(attribute, table.replicaIdentity)),
    },
    filteredBy: publishedRows(table, publications, entries),
    partitioned: table.kind === 'p',
    partitions: partitionsOf(table, leaves, identities),
    leaves,
    unpublishedLeaves,
    hasGenerated: published.some(({ generated }) => generated !== ''),
    members: foundTable(member).members,
    estimatedRows: known.length === 0 ? -1 : known.reduce((sum, leaf) => sum + leaf.estimatedRows, 0),
  }
}

function asColumn(attribute: AttributeFacts, replicaIdentity: string): Column {
  const { name, typeSchema, typeName, typeOid, typmod, inIdentityIndex } = attribute
  const type = typeSchema === 'pg_catalog' ? typeName : `${typeSchema}.${typeName}`
  return { name, type, typeOid, typmod, key: replicaIdentity === 'f' || inIdentityIndex }
}

async function findPublications(connection: Queryable, names: readonly string[]): Promise<readonly Publication[]> {
  const publications = parsePublications(await queryRows(connection, publicationsSql(names)))
  const missing = [...new Set(names)].filter((name) => !publications.some((publication) => publication.name === name))
  if (missing.length === 0) return publications
  throw new WalwireError('publication_missing', {
    what: `${missing.length === 1 ? 'publication' : 'publications'} ${missing.join(', ')} cannot be followed`,
    why: `there ${missing.length === 1 ? 'is no publication of that name' : 'are no publications of these names'} in this database`,
    hint: missing.map((name) => `CREATE PUBLICATION ${quoteIdentifier(name)} FOR TABLE …;`).join(' '),
  })
}

const hasFilters = 150_000

function publicationsSql(names: readonly string[]): string {
  // As JSON for the one column that only PG18 has.
  return `SELECT p.oid, p.pubname, p.puballtables, p.pubviaroot, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
      to_jsonb(p)->>'pubgencols'
    FROM pg_catalog.pg_publication p WHERE p.pubname IN (${names.map(quoteLiteral).join(', ') || 'NULL'}) ORDER BY p.pubname`
}

function parsePublications(rows: readonly TextRow[]): Publication[] {
  return rows.map((row) => {
    const [oid, name, allTables, viaRoot, ...rest] = row
    return {
      oid: Number(oid),
      name: name ?? '',
      allTables: allTables === 't',
      viaRoot: viaRoot === 't',
      publishes: publishedActions.filter((_, index) => rest[index] === 't'),
      generatedStored: rest[publishedActions.length] === 's',
    }
  })
}

function oidList(oids: readonly number[]): string {
  return oids.join(', ') || 'NULL'
}

function membershipsSql(publications: readonly Publication[], version: number): string {
  const oids = oidList(publications.map(({ oid }) => oid))
  if (version < hasFilters) {
    return `SELECT oid, prpubid, prrelid, NULL, NULL, false FROM pg_catalog.pg_publication_rel WHERE prpubid IN (${oids})`
  }
  return `SELECT oid, prpubid, prrelid, NULL, prattrs, prqual IS NOT NULL
      FROM pg_catalog.pg_publication_rel WHERE prpubid IN (${oids})
    UNION ALL SELECT oid, pnpubid, NULL, pnnspid, NULL, false
      FROM pg_catalog.pg_publication_namespace WHERE pnpubid IN (${oids})`
}

function parseMemberships(rows: readonly TextRow[]): Membership[] {
  return rows.map(([oid, publication, table, schema, attributes, filtered]) => ({
    oid: Number(oid),
    publication: Number(publication),
    table: table ? Number(table) : undefined,
    schema: schema ? Number(schema) : undefined,
    attributes: attributes ? attributes.split(' ').map(Number) : undefined,
    filtered: filtered === 't',
  }))
}

/** The members, and every partition below one. */
function candidatesSql(publications: readonly Publication[], version: number): string {
  const oids = oidList(publications.map(({ oid }) => oid))
  const chosen = [`SELECT prrelid FROM pg_catalog.pg_publication_rel WHERE prpubid IN (${oids})`]
  if (version >= hasFilters) {
    chosen.push(`SELECT c.oid FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_publication_namespace pn ON pn.pnnspid = c.relnamespace
      WHERE pn.pnpubid IN (${oids}) AND c.relkind IN ('r', 'p')`)
  }
  if (publications.some(({ allTables }) => allTables)) {
    chosen.push(`SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p')`)
  }
  return `WITH RECURSIVE candidates(oid) AS (
      (${chosen.join(' UNION ')})
      UNION
      SELECT i.inhrelid FROM candidates
        JOIN pg_catalog.pg_inherits i ON i.inhparent = candidates.oid AND NOT i.inhdetachpending
        JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid AND p.relispartition
    )
    SELECT c.oid, n.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident, c.relnatts, parent.inhparent,
      c.reltuples::float8
    FROM candidates
      JOIN pg_catalog.pg_class c ON c.oid = candidates.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_inherits parent
        ON parent.inhrelid = c.oid AND c.relispartition AND NOT parent.inhdetachpending
    ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`
}

function parseCandidates(rows: readonly TextRow[]): CandidateTable[] {
  return rows.map((row) => {
    const [oid, schemaOid, schema, name, kind, persistence, replicaIdentity, attributeCount] = row
    const [parent, estimatedRows] = row.slice(8)
    return {
      oid: Number(oid),
      schemaOid: Number(schemaOid),
      schema: schema ?? '',
      name: name ?? '',
      kind: kind ?? '',
      persistence: persistence ?? '',
      replicaIdentity: replicaIdentity ?? '',
      attributeCount: Number(attributeCount),
      parent: parent ? Number(parent) : undefined,
      estimatedRows: Number(estimatedRows),
    }
  })
}

function attributesSql(oids: readonly number[], version: number): string {
  return `SELECT a.attrelid, a.attnum, a.attname, a.atttypid, tn.nspname, t.typname, a.atttypmod, a.attgenerated,
      coalesce(a.attnum = ANY (identity.keys), false)
    FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
      ${joinIdentity(version)}
    WHERE a.attrelid IN (${oidList(oids)}) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum`
}

function parseAttributes(rows: readonly TextRow[]): Map<number, AttributeFacts[]> {
  const tables = new Map<number, AttributeFacts[]>()
  for (const [table, number, name, typeOid, typeSchema, typeName, typmod, generated, inIdentityIndex] of rows) {
    const oid = Number(table)
    const attributes = tables.get(oid) ?? []
    tables.set(oid, attributes)
    attributes.push({
      number: Number(number),
      name: name ?? '',
      typeOid: Number(typeOid),
      typeSchema: typeSchema ?? '',
      typeName: typeName ?? '',
      typmod: Number(typmod),
      generated: generated ?? '',
      inIdentityIndex: inIdentityIndex === 't',
    })
  }
  return tables
}
