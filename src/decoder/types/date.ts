import { int32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { sliceAscii } from '../text.ts'
import { calendarDay, daysOfDate } from './calendar.ts'
import type { Codec } from './codec.ts'
import { bigEndian } from './integer.ts'
import { writeString } from './string.ts'
import { checkLength } from './value-length.ts'

/*
 * Text: as DateStyle ISO has it, 2026-01-02, 0044-03-15 BC, 5874897-12-31, infinity, -infinity.
 * Binary: Int32 days since 2000-01-01; the greatest and the least are the infinities.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/date.c
 */

const infinity = 0x7fff_ffff
const minusInfinity = -0x8000_0000
/** 4714-11-24 BC and 5874897-12-31: what the server can hold. */
const firstDay = -2_451_545
const lastDay = 2_145_031_948

/** date: a string. */
export const dateCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary,
  encodeText: writeString,
  encodeBinary,
  binaryExact: true,
}

let lastDays = 0
let lastText = '2000-01-01'

function readBinary(bytes: Uint8Array, start: number, end: number): string {
  checkLength(start, end, 4, 'date')
  const days = int32At(bytes, start)
  // rows that stand together often have one date
  if (days === lastDays) return lastText
  if (days === infinity) return 'infinity'
  if (days === minusInfinity) return '-infinity'
  if (days < firstDay || days > lastDay) {
    throw new ProtocolError('a binary date could not be read', `${days} days from 2000 are beyond every date`, 0)
  }
  const { text, beforeChrist } = calendarDay(days)
  lastDays = days
  lastText = beforeChrist ? `${text} BC` : text
  return lastText
}

function encodeBinary(value: unknown): Uint8Array {
  const text = writeString(value)
  if (text === 'infinity') return bigEndian(BigInt(infinity), 4)
  if (text === '-infinity') return bigEndian(BigInt(minusInfinity), 4)
  const beforeChrist = text.endsWith(' BC')
  const days = daysOfDate(beforeChrist ? text.slice(0, -3) : text, beforeChrist)
  if (days === undefined || days < firstDay || days > lastDay) throw new TypeError(`'${text}' is no date`)
  return bigEndian(BigInt(days), 4)
}
