import { int32At, int64At } from '../../protocol/messages/big-endian.ts'
import { sliceAscii } from '../text.ts'
import { twoDigits } from './calendar.ts'
import type { Codec } from './codec.ts'
import { bigEndian } from './integer.ts'
import { writeString } from './string.ts'
import { fractionText } from './time.ts'
import { checkLength } from './value-length.ts'

/*
 * Text, as IntervalStyle postgres has it: -1 years -2 mons +3 days -04:05:06.789, each field with a sign of its own, fields
 * that are zero left out; infinity and -infinity from PostgreSQL 17 on. Binary: Int64 microseconds, Int32 days, Int32
 * months. The infinities are the greatest and the least of all three, which before 17 were an interval like any other.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/timestamp.c interval_send
 */

const [leastMicroseconds, greatestMicroseconds] = [-(2n ** 63n), 2n ** 63n - 1n]
const [least, greatest] = [-0x8000_0000, 0x7fff_ffff]

/** interval: a string. */
export const intervalCodec: Codec<string> = makeCodec(true)

/** interval before PostgreSQL 17: a string. */
export const finiteIntervalCodec: Codec<string> = makeCodec(false)

function makeCodec(knowsInfinity: boolean): Codec<string> {
  return {
    readText: sliceAscii,
    readBinary: (bytes, start, end) => {
      checkLength(start, end, 16, 'interval')
      const microseconds = int64At(bytes, start)
      const days = int32At(bytes, start + 8)
      const months = int32At(bytes, start + 12)
      if (knowsInfinity) {
        if (days === greatest && months === greatest && microseconds === greatestMicroseconds) return 'infinity'
        if (days === least && months === least && microseconds === leastMicroseconds) return '-infinity'
      }
      return intervalText(months, days, microseconds)
    },
    encodeText: writeString,
    encodeBinary,
    binaryExact: true,
  }
}

function intervalText(months: number, days: number, microseconds: bigint): string {
  let text = ''
  let afterNegative = false
  const addField = (count: number, unit: string) => {
    if (count === 0) return
    const separator = text === '' ? '' : ' '
    const sign = afterNegative && count > 0 ? '+' : ''
    text += `${separator}${sign}${count} ${unit}${count === 1 ? '' : 's'}`
    afterNegative = count < 0
  }
  const years = Math.trunc(months / 12)
  addField(years, 'year')
  addField(months - 12 * years, 'mon')
  addField(days, 'day')
  if (microseconds === 0n && text !== '') return text
  const sign = microseconds < 0n ? '-' : afterNegative ? '+' : ''
  return `${text}${text === '' ? '' : ' '}${sign}${clockText(microseconds < 0n ? -microseconds : microseconds)}`
}

/** Hours, of which there may be any number, minutes and seconds. */
function clockText(microseconds: bigint): string {
  const wholeSeconds = microseconds / 1_000_000n
  // 2^63 microseconds are far fewer than 2^53 seconds
  const seconds = Number(wholeSeconds)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const fraction = Number(microseconds - wholeSeconds * 1_000_000n)
  return `${twoDigits(hours)}:${twoDigits(minutes - 60 * hours)}:${twoDigits(seconds - 60 * minutes)}${fractionText(fraction)}`
}

const field = '([+-]?\\d+) '
const intervalForm = new RegExp(
  `^(?:${field}years? ?)?(?:${field}mons? ?)?(?:${field}days? ?)?(?:([+-]?)(\\d+):(\\d\\d):(\\d\\d)(?:\\.(\\d{1,6}))?)?$`,
)

function encodeBinary(value: unknown): Uint8Array {
  const text = writeString(value)
  if (text === 'infinity') return assemble(greatestMicroseconds, greatest, greatest)
  if (text === '-infinity') return assemble(leastMicroseconds, least, least)
  const [
    matched,
    years = '0',
    months = '0',
    days = '0',
    sign,
    hours = '0',
    minutes = '0',
    seconds = '0',
    fraction = '',
  ] = intervalForm.exec(text) ?? []
  const clock = (BigInt(hours) * 60n + BigInt(minutes)) * 60n + BigInt(seconds)
  const size = clock * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
  const microseconds = sign === '-' ? -size : size
  const allMonths = Number(years) * 12 + Number(months)
  const fits =
    Math.max(allMonths, Number(days)) <= greatest &&
    Math.min(allMonths, Number(days)) >= least &&
    microseconds >= leastMicroseconds &&
    microseconds <= greatestMicroseconds
  if (matched === undefined || matched === '' || !fits) throw new TypeError(`'${text}' is no interval`)
  return assemble(microseconds, Number(days), allMonths)
}

function assemble(microseconds: bigint, days: number, months: number): Uint8Array {
  const bytes = new Uint8Array(16)
  bytes.set(bigEndian(microseconds, 8))
  bytes.set(bigEndian(BigInt(days), 4), 8)
  bytes.set(bigEndian(BigInt(months), 4), 12)
  return bytes
}
