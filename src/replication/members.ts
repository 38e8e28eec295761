/**
 * What is published, as a position keeps it: pairs of a table's OID and the OID of the row by which a publication has it
 * (of pg_publication_rel for a table, of pg_publication_namespace for a schema, of pg_publication for all tables). A
 * table that was taken out and put in again is the same table and another member, since that row is another one. A table
 * that is in several publications, or in one in several ways, has a pair for each.
 *
 * As text a list of pairs is the differences between each number and the one before it of its kind, in digits of five
 * bits, the lowest first, where a sixth bit says that more follow, one letter of base64url each. With tables that were made together a
 * pair takes two or three letters.
 */

/** One way in which a table is published. */
export interface MemberPair {
  /** OID of the table: of the one that holds the rows, and of the one under whose name they come. */
  readonly table: number
  /** OID of the row by which a publication has it. */
  readonly membership: number
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const oidLimit = 2 ** 32
/** An OID's difference takes 33 bits with its sign. */
const mostDigits = 7

/** Where a list of pairs begins. */
export const firstPair: MemberPair = { table: 0, membership: 0 }

/** Writes pairs in the order of their OIDs, each once. */
export function writeMembers(members: Iterable<MemberPair>): string {
  const sorted = [...members].sort(compareMembers)
  const unique = sorted.filter((member, index) => index === 0 || compareMembers(member, sorted[index - 1]!) !== 0)
  return writePairs(unique, firstPair)
}

/** Reads what {@link writeMembers} wrote; undefined when it did not. */
export function readMembers(text: string): readonly MemberPair[] | undefined {
  const members = readPairs(text, firstPair)
  const inOrder = members?.every((member, index) => index === 0 || compareMembers(members[index - 1]!, member) < 0)
  return inOrder ? members : undefined
}

function compareMembers(a: MemberPair, b: MemberPair): number {
  return a.table - b.table || a.membership - b.membership
}

/** Writes pairs as they stand, each by what differs from the one before. */
export function writePairs(members: readonly MemberPair[], before: MemberPair): string {
  let text = ''
  let last = before
  for (const member of members) {
    text += writeDifference(member.table - last.table) + writeDifference(member.membership - last.membership)
    last = member
  }
  return text
}

/** Reads what {@link writePairs} wrote after the same pair; undefined when it did not. */
export function readPairs(text: string, before: MemberPair): readonly MemberPair[] | undefined {
  const differences = readDifferences(text)
  if (differences === undefined || differences.length % 2 !== 0) return undefined
  const members: MemberPair[] = []
  let { table, membership } = before
  for (let index = 0; index < differences.length; index += 2) {
    table += differences[index]!
    membership += differences[index + 1]!
    if (!isOid(table) || !isOid(membership)) return undefined
    members.push({ table, membership })
  }
  return members
}

function isOid(value: number): boolean {
  return value >= 0 && value < oidLimit
}

/** The sign is the lowest bit, so that small differences are short either way. More than 32 bits: no bit operators. */
function writeDifference(difference: number): string {
  let rest = difference < 0 ? -2 * difference - 1 : 2 * difference
  let text = ''
  for (; rest >= 32; rest = Math.floor(rest / 32)) text += letters[32 + (rest % 32)]
  return text + letters[rest]
}

function readDifferences(text: string): number[] | undefined {
  const differences: number[] = []
  let value = 0
  let place = 0
  for (const letter of text) {
    const digit = letters.indexOf(letter)
    if (digit < 0 || place === mostDigits) return undefined
    value += (digit % 32) * 32 ** place
    place++
    if (digit >= 32) continue
    differences.push(value % 2 === 0 ? value / 2 : -(value + 1) / 2)
    value = 0
    place = 0
  }
  return place === 0 ? differences : undefined
}
