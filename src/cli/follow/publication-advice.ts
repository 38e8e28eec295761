import { quoteIdentifier } from '../../protocol/messages/quote.ts'
import type { Queryable } from '../../replication/catalog/queryable.ts'
import { type PublishedMembers, readMembers, readPublications } from '../../replication/publication/publication.ts'

/** So many names are enough to see what is meant. */
const shownNames = 10

/**
 * What somebody should know whose publication was just made: tables in which the application can no longer change rows,
 * and partitioned tables, whose rows come under other names than the one that was given.
 *
 * @param version as `server_version_num`
 */
export async function publicationAdvice(connection: Queryable, name: string, version: number): Promise<string[]> {
  const tables = await readPublications(connection, [name], version)
  const keyless = tables.filter(
    ({ relation }) => relation.replicaIdentity !== 'full' && !relation.columns.some((column) => column.key),
  )
  const advice: string[] = []
  if (keyless.length > 0) {
    advice.push(
      `UPDATE and DELETE fail from now on in tables that have no replica identity: ${listed(keyless.map(({ relation }) => relation.table))}; ` +
        'give each a primary key, or ALTER TABLE … REPLICA IDENTITY FULL, or take it out of the publication',
    )
  }
  const roots = partitionedTables(await readMembers(connection, [name], version))
  if (roots.length > 0) {
    advice.push(
      `the rows of partitioned tables come under the names of their partitions: ${listed(roots)}; ` +
        `to have them under these names, ALTER PUBLICATION ${quoteIdentifier(name)} SET (publish_via_partition_root = true), and start over`,
    )
  }
  return advice
}

/** Those whose partitions speak for themselves. */
function partitionedTables({ publications, candidates }: PublishedMembers): string[] {
  if (publications.some(({ viaRoot }) => viaRoot)) return []
  const parents = new Set(candidates.map(({ parent }) => parent))
  return candidates
    .filter(({ oid, kind, parent }) => kind === 'p' && parent === undefined && parents.has(oid))
    .map(({ schema, name }) => `${schema}.${name}`)
}

function listed(names: readonly string[]): string {
  const more = names.length - shownNames
  return names.slice(0, shownNames).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
