import type { Column, Relation } from '../decoder/relation.ts'
import type { TypeRegistry } from '../decoder/types/registry.ts'

/** A column that keeps a table, or a stream, from being transferred in binary form. */
export interface InexactColumn {
  readonly table: string
  readonly column: string
  readonly type: string
}

/** A relation came in a binary stream whose values are only exact as text: the stream must be begun again in text. */
export class BinaryNotExact extends Error {
  readonly inexact: InexactColumn

  constructor(inexact: InexactColumn) {
    super(describeInexact(inexact))
    this.inexact = inexact
  }
}

/** The first column whose values in binary form are not exactly those of its text; undefined when all are. */
export function inexactColumn(
  table: Pick<Relation, 'table'> & { readonly columns: readonly Pick<Column, 'name' | 'typeOid'>[] },
  types: TypeRegistry,
): InexactColumn | undefined {
  for (const { name, typeOid } of table.columns) {
    const type = types.get(typeOid)
    if (!type?.binaryExact) return { table: table.table, column: name, type: type?.label ?? `${typeOid}` }
  }
  return undefined
}

/** For the log. */
export function describeInexact({ table, column, type }: InexactColumn): string {
  return `column ${column} of ${table} has type ${type}, whose text cannot be made from its binary form: text is used`
}
