import { uint64Of } from './big-endian.ts'

/**
 * A position in the write-ahead log: bytes since the cluster was made, an unsigned 64-bit number.
 * It is a `bigint`, since a JavaScript number is exact only up to 2^53.
 */
export type Lsn = bigint

/** What functions take where they want an LSN: the number, or Postgres' text for it (`16/B374D848`). */
export type LsnInput = bigint | string

const lsnText = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/
const maxLsn = 0xffff_ffff_ffff_ffffn

/**
 * Reads an LSN, as text in either padding (`0/16B3748` or `0/016B3748`, which PostgreSQL 19 prints) or as a bigint.
 *
 * @throws {RangeError} when the text is not `X/X` in hexadecimal, or the number does not fit 64 bits without a sign.
 */
export function parseLsn(input: LsnInput): Lsn {
  if (typeof input === 'bigint') {
    if (input < 0n || input > maxLsn) throw new RangeError(`an LSN is an unsigned 64-bit number, not ${input}`)
    return input
  }
  const halves = lsnText.exec(input)
  if (!halves)
    throw new RangeError(
      `an LSN is two hexadecimal numbers with a slash, like 16/B374D848, not ${JSON.stringify(input)}`,
    )
  return uint64Of(Number.parseInt(halves[1]!, 16), Number.parseInt(halves[2]!, 16))
}

/** Prints an LSN as PostgreSQL up to 18 does: `%X/%X`, upper case, no padding. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase()
}
