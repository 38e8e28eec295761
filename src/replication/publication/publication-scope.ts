import { WalwireError } from '../../protocol/messages/errors.ts'
import type { PublicationEntries } from './publication-entries.ts'
import type { CandidateTable, Publication } from './publication-rows.ts'

/** A row of pg_attribute that is not dropped. */
export interface AttributeFacts {
  /** `attnum` */
  readonly number: number
  readonly name: string
  readonly typeOid: number
  readonly typeSchema: string
  readonly typeName: string
  readonly typmod: number
  /** `attgenerated`: `s` stored, `v` virtual, empty for an ordinary column. */
  readonly generated: string
  /** Covered by the index that identifies rows. */
  readonly inIdentityIndex: boolean
}

/** Column lists may name stored generated columns, and publications may include them all. */
const hasGenerated = 180_000

/**
 * The columns of a table that the stream carries, in its order.
 *
 * @param publications those through which the table is published
 * @throws {WalwireError} `publication_conflict` where the server would stop the stream at the table's first change: its
 * publications do not agree on the columns.
 * @see PG18: pgoutput.c check_and_init_gencol and pgoutput_column_list_init, proto.c logicalrep_should_publish_column
 */
export function publishedAttributes(
  table: CandidateTable,
  publications: readonly Publication[],
  entries: PublicationEntries,
  attributes: readonly AttributeFacts[],
  version: number,
): readonly AttributeFacts[] {
  const choices = publications.map((publication): Choice => {
    const list = publication.allTables ? undefined : entries.ofTable(publication, table)?.attributes
    return {
      publication,
      published: attributes.filter((attribute) => isPublished(attribute, publication, list, version)),
      lists: list !== undefined,
      // PG15 counts the dropped columns too, so that there a list of all columns may differ from having none.
      listsSome: list !== undefined && version < 160_000 && list.length !== table.attributeCount,
    }
  })
  const [first] = choices
  if (first === undefined) return []
  const other = choices.find((choice) => !isSameChoice(first, choice))
  if (other === undefined) return first.published
  throw new WalwireError('publication_conflict', {
    what: `table ${table.schema}.${table.name} cannot be followed`,
    why: `${describeChoice(first)}, ${describeChoice(other)}, and the server refuses to stream a table with both`,
    hint: 'give the table the same column list in both publications, or in none (ALTER PUBLICATION … SET TABLE); or follow one of the two',
    table: `${table.schema}.${table.name}`,
  })
}

/** What one publication says about the columns of a table. */
interface Choice {
  readonly publication: Publication
  readonly published: readonly AttributeFacts[]
  readonly lists: boolean
  readonly listsSome: boolean
}

function isSameChoice(a: Choice, b: Choice): boolean {
  return (
    a.listsSome === b.listsSome &&
    a.published.length === b.published.length &&
    a.published.every(({ number }, index) => number === b.published[index]?.number)
  )
}

function describeChoice({ publication, published, lists }: Choice): string {
  return `publication ${publication.name} ${lists ? 'lists' : 'has'} its columns ${published.map(({ name }) => name).join(', ')}`
}

function isPublished(
  { number, generated }: AttributeFacts,
  publication: Publication,
  list: readonly number[] | undefined,
  version: number,
): boolean {
  if (generated !== '' && version < hasGenerated) return false
  if (list !== undefined) return list.includes(number)
  return generated === '' || (generated === 's' && publication.generatedStored)
}

/**
 * The publications whose row filters decide which rows of a table are published: any of them lets a row pass. None where
 * one publication has no filter for it.
 *
 * @see PG18: pgoutput.c pgoutput_row_filter_init. For the initial copy the server's own subscriber does not ask either
 * which of insert, update and delete a publication publishes (tablesync.c fetch_remote_table_info).
 */
export function publishedRows(
  table: CandidateTable,
  publications: readonly Publication[],
  entries: PublicationEntries,
): readonly number[] {
  const takesAll = publications.some(
    (publication) =>
      publication.allTables ||
      entries.hasSchema(publication, table) ||
      entries.ofTable(publication, table)?.filtered !== true,
  )
  return takesAll ? [] : publications.map(({ oid }) => oid)
}
