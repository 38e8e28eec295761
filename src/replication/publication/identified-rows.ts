import { replicaIdentities } from '../../decoder/messages.ts'
import { asLogged, hasIdentity, type PartitionIdentity } from '../../decoder/partition-identity.ts'
import type { Relation } from '../../decoder/relation.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'
import { type Queryable, queryRows } from '../catalog/queryable.ts'
import type { Member } from './publication-members.ts'
import type { CandidateTable } from './publication-rows.ts'
import type { AttributeFacts } from './publication-scope.ts'

/*
 * Whether updates and deletes say which row they are of. What is logged of a row's old values is decided by the replica
 * identity of the table that holds it; the stream speaks of the table under whose name it is published. The two differ
 * where a root is published in the place of its partitions, and where a column of the identity is not published.
 */

/** Joins, as `identity.keys`, the columns by which rows of `pg_class c` are known: relcache.c RelationGetIndexList. */
export function joinIdentity(version: number): string {
  const partitioned = version >= 180_000 ? "OR (i.indisprimary AND c.relkind = 'p')" : ''
  return `LEFT JOIN LATERAL (
        SELECT (string_to_array(i.indkey::text, ' ')::int2[])[1:i.indnkeyatts] AS keys
        FROM pg_catalog.pg_index i
        WHERE i.indrelid = c.oid AND i.indislive AND i.indisunique AND i.indimmediate AND i.indpred IS NULL
          AND (i.indisvalid ${partitioned})
          AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
        LIMIT 1
      ) identity ON true`
}

/** Reads the identities of the partitions that are published under the name of a root, by OID. */
export async function readPartitionIdentities(
  connection: Queryable,
  members: readonly Member[],
  version: number,
): Promise<ReadonlyMap<number, PartitionIdentity>> {
  const oids = members.flatMap(({ table, leaves }) => leaves.filter((leaf) => leaf !== table).map(({ oid }) => oid))
  if (oids.length === 0) return new Map()
  const rows = await queryRows(
    connection,
    `SELECT c.oid, c.relreplident, (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum = ANY (identity.keys))
      FROM pg_catalog.pg_class c ${joinIdentity(version)} WHERE c.oid IN (${oids.join(', ')})`,
  )
  return new Map(
    rows.map(([oid, identity, key]) => [
      Number(oid),
      { replicaIdentity: replicaIdentities[identity ?? ''] ?? 'nothing', key: namesIn(key) },
    ]),
  )
}

/** Those of the partitions that hold a table's rows; none where it holds them itself. */
export function partitionsOf(
  table: CandidateTable,
  leaves: readonly CandidateTable[],
  identities: ReadonlyMap<number, PartitionIdentity>,
): ReadonlyMap<number, PartitionIdentity> {
  const partitions = new Map<number, PartitionIdentity>()
  for (const leaf of leaves) {
    const identity = leaf === table ? undefined : identities.get(leaf.oid)
    if (identity !== undefined) partitions.set(leaf.oid, identity)
  }
  return partitions
}

/**
 * Checks that updates and deletes of a table will say which of its rows they are of, where any are published.
 *
 * @throws {WalwireError} `identity_conflict`, naming the partition or the column that it fails for
 */
export async function checkIdentified(
  connection: Queryable,
  { table, publications, leaves }: Member,
  attributes: readonly AttributeFacts[],
  relation: Relation,
  partitions: ReadonlyMap<number, PartitionIdentity>,
  version: number,
): Promise<void> {
  if (!publications.some(({ publishes }) => publishes.includes('update') || publishes.includes('delete'))) return
  if (partitions.size === 0) {
    checkPublishedIdentity(relation.table, attributes, relation.columns, version)
    return
  }
  const identities = [...partitions.values()].filter(hasIdentity)
  const logged = asLogged(relation, identities)
  if (logged === relation || logged.replicaIdentity === 'full') return
  const common = new Set(logged.columns.filter(({ key }) => key).map(({ name }) => name))
  const isCommon = (names: readonly string[]) => names.length > 0 && names.every((name) => common.has(name))
  const { unique, partitionKey } = await readKeys(connection, table.oid)
  if (unique.some(isCommon)) return
  // A key of the partitions that has all columns by which they are told apart is one of the root too.
  const allKeys = identities.every(
    ({ replicaIdentity, key }) => replicaIdentity !== 'full' && key?.length === common.size,
  )
  if (allKeys && partitionKey !== undefined && isCommon(partitionKey)) return
  const [rootKey = []] = unique
  const odd = leaves.find(({ oid }) => {
    const identity = partitions.get(oid)
    if (identity === undefined || identity.replicaIdentity === 'full' || !hasIdentity(identity)) return false
    return rootKey.length === 0 || !rootKey.every((name) => identity.key?.includes(name))
  })
  throw notIdentified(relation.table, odd, odd && partitions.get(odd.oid))
}

/** Up to 17 generated columns are never published, and nothing keeps one from being part of the identity. */
function checkPublishedIdentity(
  table: string,
  attributes: readonly AttributeFacts[],
  published: Relation['columns'],
  version: number,
): void {
  if (version >= 180_000) return
  const missing = attributes.find(
    ({ name, generated, inIdentityIndex }) =>
      inIdentityIndex && generated !== '' && !published.some((column) => column.name === name),
  )
  if (missing === undefined) return
  throw new WalwireError('identity_conflict', {
    what: `table ${table} cannot be followed`,
    why: `its replica identity has the generated column ${missing.name}, which the server does not publish, so that changes would not say which row they are of`,
    hint: `ALTER TABLE ${table} REPLICA IDENTITY FULL, or USING INDEX one without generated columns; or publish its inserts alone`,
    table,
    column: missing.name,
  })
}

function notIdentified(
  table: string,
  partition: CandidateTable | undefined,
  identity: PartitionIdentity | undefined,
): WalwireError {
  const name = partition && `${partition.schema}.${partition.name}`
  const whose = name === undefined ? 'of its partitions' : `of its partition ${name}`
  return new WalwireError('identity_conflict', {
    what: `table ${table} cannot be followed`,
    why: `it is published in the place of its partitions (publish_via_partition_root), and changed rows ${whose} are known by ${identity?.key?.join(', ') || 'nothing'}, which does not say which row of ${table} is meant`,
    hint: `give ${name ?? 'them all'} an identity that does (ALTER TABLE … REPLICA IDENTITY DEFAULT, with a primary key on ${table}; or FULL for every partition); or publish the partitions under their own names, or inserts alone`,
    table,
  })
}

/** The columns of each unique index of a root, and of all partition keys in its tree; undefined with expressions in one. */
async function readKeys(
  connection: Queryable,
  oid: number,
): Promise<{ unique: readonly (readonly string[])[]; partitionKey: readonly string[] | undefined }> {
  const [[unique, keys, expressions] = []] = await queryRows(
    connection,
    `WITH RECURSIVE tree(oid) AS (
        SELECT ${oid}::oid
        UNION
        SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid AND NOT i.inhdetachpending
      ), keys AS (
        SELECT p.partrelid, unnest(string_to_array(p.partattrs::text, ' ')::int2[]) AS number
        FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid IN (SELECT tree.oid FROM tree)
      )
      SELECT
        (SELECT json_agg((SELECT json_agg(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid
            AND a.attnum = ANY ((string_to_array(i.indkey::text, ' ')::int2[])[1:i.indnkeyatts])))
          FROM pg_catalog.pg_index i
          WHERE i.indrelid = ${oid} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL),
        (SELECT json_agg(DISTINCT a.attname) FROM keys
          JOIN pg_catalog.pg_attribute a ON a.attrelid = keys.partrelid AND a.attnum = keys.number),
        EXISTS (SELECT FROM keys WHERE number = 0)`,
  )
  const uniqueSets: unknown = JSON.parse(unique ?? '[]')
  return {
    unique: Array.isArray(uniqueSets) ? uniqueSets.map((names) => namesIn(JSON.stringify(names))) : [],
    partitionKey: expressions === 't' ? undefined : namesIn(keys),
  }
}

function namesIn(json: string | null | undefined): string[] {
  const names: unknown = JSON.parse(json ?? '[]')
  return Array.isArray(names) ? names.map(String) : []
}
