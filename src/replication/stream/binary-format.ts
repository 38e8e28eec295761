import type { Column, Relation } from '../../decoder/relation.ts'
import type { TypeRegistry } from '../../decoder/types/registry.ts'
import type { Logger } from '../logger.ts'

/** A column that keeps a table, or a stream, from being transferred in binary form. */
export interface InexactColumn {
  readonly table: string
  readonly column: string
  readonly type: string
}

/** What must be known of a table. */
interface ColumnsOfTable extends Pick<Relation, 'table'> {
  readonly columns: readonly Pick<Column, 'name' | 'typeOid'>[]
}

/** What comes in a binary stream is only exact as text: the stream must be begun again in text. */
export class BinaryNotExact extends Error {
  /** For the log. */
  readonly because: object

  private constructor(message: string, because: object) {
    super(message)
    this.because = because
  }

  static ofColumn(inexact: InexactColumn): BinaryNotExact {
    return new BinaryNotExact(describeInexact(inexact), inexact)
  }

  static ofAltered(type: string): BinaryNotExact {
    return new BinaryNotExact(`type ${type} was altered, and is not known by its binary form any more: text is used`, {
      type,
    })
  }
}

/** The first column whose values in binary form are not exactly those of its text; undefined when all are. */
export function inexactColumn(table: ColumnsOfTable, types: TypeRegistry): InexactColumn | undefined {
  for (const { name, typeOid } of table.columns) {
    const type = types.get(typeOid)
    if (!type?.binaryExact) return { table: table.table, column: name, type: type?.label ?? `${typeOid}` }
  }
  return undefined
}

/** Which tables may be transferred in binary form, of a feed that asks for it: what keeps one from that is logged once. */
export class BinaryFormat {
  readonly #types: TypeRegistry
  readonly #logger: Logger
  readonly #said: Set<string>

  /** @param said what the feed has logged already */
  constructor(types: TypeRegistry, logger: Logger, said: Set<string>) {
    this.#types = types
    this.#logger = logger
    this.#said = said
  }

  /** Whether every column's values in binary form are exactly those of its text. */
  isExact(table: ColumnsOfTable): boolean {
    const inexact = inexactColumn(table, this.#types)
    if (inexact === undefined) return true
    const what = describeInexact(inexact)
    if (!this.#said.has(what)) this.#logger.info(inexact, what)
    this.#said.add(what)
    return false
  }
}

function describeInexact({ table, column, type }: InexactColumn): string {
  return `column ${column} of ${table} has type ${type}, whose text cannot be made from its binary form: text is used`
}
