import {
  isIn,
  leftToRight,
  mappedToNothing,
  nonAsciiSpaces,
  prohibited,
  rightToLeft,
  unassigned,
} from './stringprep-tables.ts'

/**
 * Prepares a password for SCRAM: SASLprep where it applies, else the password as it is.
 *
 * The server does the same when the password is set, so what counts is to be like it, also where it differs from
 * RFC 4013: pure ASCII is never touched, the checks look at the text before normalisation, and a password that must not
 * be (a code point that Unicode 3.2 did not know, such as an emoji) is used unprepared.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4013 and PG18: src/common/saslprep.c pg_saslprep
 */
export function saslprep(password: string): string {
  if (isAscii(password)) return password
  const mapped: number[] = []
  for (const character of password) {
    const codePoint = character.codePointAt(0) ?? 0
    if (isIn(codePoint, nonAsciiSpaces)) mapped.push(0x20)
    else if (!isIn(codePoint, mappedToNothing)) mapped.push(codePoint)
  }
  if (mapped.length === 0) return password
  if (mapped.some((codePoint) => isIn(codePoint, prohibited) || isIn(codePoint, unassigned))) return password
  if (!directionsAgree(mapped)) return password
  return mapped
    .map((codePoint) => String.fromCodePoint(codePoint))
    .join('')
    .normalize('NFKC')
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false
  return true
}

/** RFC 3454 section 6: with right-to-left text nothing left-to-right, and right-to-left at both ends. */
function directionsAgree(codePoints: readonly number[]): boolean {
  if (!codePoints.some((codePoint) => isIn(codePoint, rightToLeft))) return true
  const first = codePoints[0] ?? 0
  const last = codePoints[codePoints.length - 1] ?? 0
  return (
    isIn(first, rightToLeft) && isIn(last, rightToLeft) && !codePoints.some((codePoint) => isIn(codePoint, leftToRight))
  )
}
