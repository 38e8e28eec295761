import type { Logger } from './logger.ts'
import { type MemberPair, readMembers, writeMembers } from './members.ts'
import type { Position } from './position.ts'

/** A table that is published. */
export interface FoundTable {
  /** `schema.name` */
  readonly table: string
  readonly oid: number
  /** The pairs of itself, and those of the partitions whose rows come under its name. */
  readonly members: readonly MemberPair[]
}

/** What differs between the tables that a position knows and those that are published. */
export interface MembershipChange {
  /** Tables that it does not know. */
  readonly joined: readonly string[]
  /** Tables that it knows and that are published through other rows of the catalog: taken out and put in again. */
  readonly again: readonly string[]
  /** Tables that it knows, with partitions that it does not know. */
  readonly grown: readonly string[]
  /** OIDs of tables that it knows and that are not published. */
  readonly left: readonly number[]
  /**
   * What the feed knows from here on: of what the position knew, what is still so. Whatever else is published is not among
   * it, since its rows from before it joined did not come: so the next start sees it again.
   */
  readonly members: string
}

/** Compares what a position knows with what is found. */
export function compareMembers(known: readonly MemberPair[], found: readonly FoundTable[]): MembershipChange {
  const knownTables = new Set(known.map(({ table }) => table))
  const knownPairs = new Set(known.map(keyOf))
  const isKnown = (pair: MemberPair) => knownPairs.has(keyOf(pair))
  const joined: string[] = []
  const again: string[] = []
  const grown: string[] = []
  const foundTables = new Set<number>()
  const still: MemberPair[] = []
  for (const { table, oid, members } of found) {
    const parts = new Set(members.map((pair) => pair.table))
    for (const part of parts) foundTables.add(part)
    const remaining = members.filter(isKnown)
    const remainingParts = new Set(remaining.map((pair) => pair.table))
    if (!remainingParts.has(oid)) (knownTables.has(oid) ? again : joined).push(table)
    else {
      if (remainingParts.size < parts.size) grown.push(table)
      still.push(...remaining)
    }
  }
  const left = [...knownTables].filter((oid) => !foundTables.has(oid))
  return { joined, again, grown, left, members: writeMembers(still) }
}

function keyOf({ table, membership }: MemberPair): string {
  return `${table} ${membership}`
}

/** The position with all that is found counting as known. */
export function knowingAll(position: Position, found: readonly FoundTable[]): Position {
  return { ...position, members: writeMembers(found.flatMap(({ members }) => members)) }
}

/** How what differs is said. */
export interface MembershipReport {
  readonly logger: Logger
  /** What was said and is not to be said again in this feed, see {@link NewTables}. */
  readonly said: Set<string>
  /** How to say that the position knows no tables: a stored one should, an LSN never does. */
  readonly unknown: 'info' | 'warn'
}

/**
 * The position that a feed continues from, with what it knows of what is published, now that it was looked at. What joined
 * while no feed ran is said: its changes come, and nothing else would tell that the rows before them do not.
 */
export function withMembers(
  position: Position,
  found: readonly FoundTable[],
  { said, logger, unknown }: MembershipReport,
): Position {
  const { slot } = position
  if (position.members === undefined) {
    logger[unknown](
      { slot, tables: found.length },
      `the start does not say which tables are known: the ${found.length} that are published count as known`,
    )
    return knowingAll(position, found)
  }
  const { joined, again, grown, left, members } = compareMembers(readMembers(position.members) ?? [], found)
  const warn = (tables: readonly string[], what: string) => {
    if (tables.length > 0) logger.warn({ slot, tables }, `${some(tables)}: ${what}`)
  }
  warn(
    joined,
    'joined the publication since the position was stored, or are new; their changes come, rows from before do not',
  )
  warn(again, 'left the publication and joined it again; their changes come, those from in between do not')
  warn(grown, 'got partitions that were not there; their changes come, rows that they had before do not')
  for (const { table, oid } of found) if (joined.includes(table) || again.includes(table)) said.add(newTable(oid))
  if (left.length > 0) logger.info({ slot, oids: left }, `tables that left the publication: ${left.length}`)
  return { ...position, members }
}

const mostNames = 20

function some(tables: readonly string[]): string {
  const more = tables.length - mostNames
  return `${tables.slice(0, mostNames).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** Notices a table in the stream that was not published when the feed began: nothing else tells that it joined. */
export class NewTables {
  readonly #known: ReadonlySet<number>
  readonly #said: Set<string>
  readonly #logger: Logger

  /** @param said shared by all streams of a feed, so that a table is named once */
  constructor({ members = '' }: Position, said: Set<string>, logger: Logger) {
    this.#known = new Set(readMembers(members)?.map(({ table }) => table))
    this.#said = said
    this.#logger = logger
  }

  /** The stream describes this table. */
  note({ oid, schema, name }: { readonly oid: number; readonly schema: string; readonly name: string }): void {
    const key = newTable(oid)
    if (this.#known.has(oid) || this.#said.has(key)) return
    this.#said.add(key)
    const table = `${schema}.${name}`
    this.#logger.warn({ table }, `${table} joined the publication: its changes come, rows from before do not`)
  }

  /** A table was dropped: another one that gets its OID is new. */
  forget(oid: number): void {
    this.#said.delete(newTable(oid))
  }
}

function newTable(oid: number): string {
  return `new table ${oid}`
}
