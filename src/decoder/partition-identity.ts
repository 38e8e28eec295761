import type { Relation, ReplicaIdentity } from './relation.ts'

/**
 * Which old values are written of the rows of a partition: the partition's own replica identity decides, whatever the
 * table says under whose name its changes are published.
 */
export interface PartitionIdentity {
  readonly replicaIdentity: ReplicaIdentity
  /**
   * Names of the identity's columns; a partition calls its columns as its root does. None under `full`, which has all;
   * undefined where nobody could tell.
   */
  readonly key: readonly string[] | undefined
}

/** Whether the server lets rows of the partition be updated or deleted, where that is published. */
export function hasIdentity({ replicaIdentity, key }: PartitionIdentity): boolean {
  return replicaIdentity === 'full' || key === undefined || key.length > 0
}

/**
 * Whether the Relation message of a partition has the columns that it is taken to describe. With a column list the server
 * describes a partition by the numbers that its root's columns have: where these are other columns of the partition, the
 * key among them may be missing.
 */
export function describesPartition(root: Relation, partition: Relation): boolean {
  const names = new Set(root.columns.map(({ name }) => name))
  return root.columns.length === partition.columns.length && partition.columns.every(({ name }) => names.has(name))
}

/** The identity of a partition, as its Relation message tells it. */
export function partitionIdentity(root: Relation, partition: Relation): PartitionIdentity {
  const { replicaIdentity, columns } = partition
  if (replicaIdentity === 'full' || replicaIdentity === 'nothing') return { replicaIdentity, key: [] }
  if (!describesPartition(root, partition)) return { replicaIdentity, key: undefined }
  return { replicaIdentity, key: columns.filter(({ key }) => key).map(({ name }) => name) }
}

/**
 * A partitioned table as the old rows in the stream are: with the identity that all of its partitions are logged under.
 * With `publish_via_partition_root` the server marks an old row by the identity of the root (`O` for a whole row, `K` for
 * a key), while the row holds what the partition's identity made it hold, and NULL in every other column.
 *
 * The root's own key is kept where every partition logs it. Otherwise the identity is what they have in common: `full`
 * where all have that, `nothing` where there is no column that each of them logs. A partition without an identity has only
 * inserts, and so no say. One whose key nobody could tell may log any: the root's own key stays, since a row without it
 * shows NULLs there, and nothing else is known.
 *
 * @see PG18: src/backend/replication/pgoutput/pgoutput.c pgoutput_change, src/backend/replication/logical/proto.c
 * logicalrep_write_update, src/backend/access/heap/heapam.c ExtractReplicaIdentity
 */
export function asLogged(root: Relation, identities: readonly PartitionIdentity[]): Relation {
  const partitions = identities.filter(hasIdentity)
  if (partitions.length === 0) return root
  const told = partitions.filter(({ key }) => key !== undefined)
  const isLogged = (name: string) =>
    told.every(({ replicaIdentity, key }) => replicaIdentity === 'full' || key?.includes(name))
  const own = root.replicaIdentity === 'full' ? [] : root.columns.filter(({ key }) => key)
  if (own.length > 0 && own.every(({ name }) => isLogged(name))) return root
  const allTold = told.length === partitions.length
  const columns = root.columns.map((column) => ({ ...column, key: allTold && isLogged(column.name) }))
  return { ...root, replicaIdentity: commonIdentity(columns, partitions), columns }
}

function commonIdentity(columns: Relation['columns'], partitions: readonly PartitionIdentity[]): ReplicaIdentity {
  if (partitions.every(({ replicaIdentity }) => replicaIdentity === 'full')) return 'full'
  if (!columns.some(({ key }) => key)) return 'nothing'
  const kinds = new Set(partitions.map(({ replicaIdentity }) => replicaIdentity))
  kinds.delete('full')
  return kinds.size === 1 && kinds.has('default') ? 'default' : 'index'
}
