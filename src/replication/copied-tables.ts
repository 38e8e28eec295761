import { quoteIdentifier } from '../protocol/messages/quote.ts'
import { firstPair, type MemberPair, readPairs, writePairs } from './members.ts'

/** A table whose copy is complete. */
export interface CopiedTable {
  readonly schema: string
  readonly name: string
  /** What it was when it was copied. The first is of the table itself; a membership of 0 is one that is not known (format 1). */
  readonly members: readonly MemberPair[]
  /** LSN of the snapshot in which it was read; undefined where that is the slot's consistent point. */
  readonly at: string | undefined
}

/**
 * The tables whose copy is complete, as a position keeps them while others are copied: a text that only grows, by one entry
 * a table, so that the positions of a copy share it and adding to it costs the same with the first table and the
 * five-thousandth.
 *
 * An entry is `schema.name:members@lsn`, and entries are separated by commas. Names are as SQL would have them: in quotation
 * marks when they have one of these signs. Without its schema a table is in that of the entry before. Members are written
 * as members.ts says, by their difference to those of the entry before. Without an LSN it is the consistent point.
 */
export class CopiedTables {
  #text = ''
  #schema: string | undefined
  #lastMember = firstPair

  /** What the entries so far are. */
  get text(): string {
    return this.#text
  }

  add({ schema, name, members, at }: CopiedTable): void {
    const qualified = `${schema === this.#schema ? '' : quoted(schema)}.${quoted(name)}`
    const entry = `${qualified}:${writePairs(members, this.#lastMember)}${at === undefined ? '' : `@${at}`}`
    this.#schema = schema
    this.#lastMember = members.at(-1) ?? this.#lastMember
    this.#text += this.#text === '' ? entry : `,${entry}`
  }
}

const namePattern = '"(?:[^"]|"")+"|[^".,:@]+'
const entryPattern = new RegExp(
  `(${namePattern})?\\.(${namePattern}):([\\w-]+)(?:@([0-9A-F]{1,8}/[0-9A-F]{1,8}))?(?:,(?=.)|$)`,
  'suy',
)

/** Reads what {@link CopiedTables} wrote; undefined when it did not. */
export function readCopiedTables(text: string): readonly CopiedTable[] | undefined {
  const tables: CopiedTable[] = []
  let schema: string | undefined
  let lastMember = firstPair
  entryPattern.lastIndex = 0
  while (entryPattern.lastIndex < text.length) {
    const [, quotedSchema, quotedName, pairs, at] = entryPattern.exec(text) ?? []
    if (quotedName === undefined || pairs === undefined) return undefined
    if (quotedSchema !== undefined) schema = unquoted(quotedSchema)
    const members = readPairs(pairs, lastMember)
    if (schema === undefined || members === undefined) return undefined
    lastMember = members.at(-1) ?? lastMember
    tables.push({ schema, name: unquoted(quotedName), members, at })
  }
  return tables
}

function quoted(name: string): string {
  return /[".,:@]/.test(name) ? quoteIdentifier(name) : name
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
}
