import { int32At, int64At, uint32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { sliceAscii } from '../text.ts'
import { calendarDay, daysOfDate } from './calendar.ts'
import type { Codec } from './codec.ts'
import { bigEndian } from './integer.ts'
import { writeString } from './string.ts'
import { dayMicroseconds, microsecondsOf, timeOfDay } from './time.ts'
import { checkLength } from './value-length.ts'

/*
 * Text: as DateStyle ISO has it, 2026-01-02 03:04:05.678901, timestamptz under TimeZone UTC with +00 behind, then BC where
 * it is; infinity, -infinity. Binary: Int64 microseconds since 2000-01-01 (UTC), the greatest and the least are the
 * infinities. https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/timestamp.c
 */

const infinity = 2n ** 63n - 1n
const minusInfinity = -(2n ** 63n)
/** 4714-11-24 00:00:00 BC, and the first moment of 294277: what the server can hold. */
const first = -211_813_488_000_000_000n
const beyond = 9_223_371_331_200_000_000n

/** timestamp: a string. */
export const timestampCodec: Codec<string> = makeCodec('timestamp', '')

/** timestamptz: a string, in UTC. */
export const timestamptzCodec: Codec<string> = makeCodec('timestamptz', '+00')

function makeCodec(type: string, zone: string): Codec<string> {
  const zoneLength = zone.length
  return {
    readText: sliceAscii,
    readBinary: (bytes, start, end) => {
      checkLength(start, end, 8, type)
      const high = int32At(bytes, start)
      // within 142 years of 2000 a float8 holds it exactly
      if (high >= -nearHigh && high < nearHigh) {
        const microseconds = high * 0x1_0000_0000 + uint32At(bytes, start + 4)
        const days = Math.floor(microseconds / dayMicroseconds)
        return nearText(days, microseconds - days * dayMicroseconds, zoneLength)
      }
      return farText(int64At(bytes, start), type, zone)
    },
    encodeText: writeString,
    encodeBinary: (value) => bigEndian(microsecondsOfText(writeString(value), type, zone), 8),
    binaryExact: true,
  }
}

const nearHigh = 0x10_0000

const zero = 0x30
/** 2000-01-01 00:00:00.000000: a text is written into it, whose day often is that of the one before. */
const text = new TextEncoder().encode('2000-01-01 00:00:00.000000+00')
const [timeAt, fractionAt] = [11, 19]
const plus = 0x2b
let writtenDays = 0

function nearText(days: number, microseconds: number, zoneLength: number): string {
  if (days !== writtenDays) writeDay(days)
  const seconds = Math.floor(microseconds / 1_000_000)
  const minutes = (seconds / 60) | 0
  const hours = (minutes / 60) | 0
  writePair(timeAt, hours)
  writePair(timeAt + 3, minutes - 60 * hours)
  writePair(timeAt + 6, seconds - 60 * minutes)
  let to = fractionAt
  let fraction = microseconds - 1_000_000 * seconds
  if (fraction !== 0) {
    text[to] = 0x2e
    const thousands = (fraction / 1000) | 0
    writeTriple(to + 1, thousands)
    writeTriple(to + 4, fraction - 1000 * thousands)
    to += 7
    for (; fraction % 10 === 0; fraction /= 10) to--
  }
  if (zoneLength > 0) {
    text[to] = plus
    text[to + 1] = zero
    text[to + 2] = zero
    to += zoneLength
  }
  return sliceAscii(text, 0, to)
}

/** A day of a year of four digits. */
function writeDay(days: number): void {
  const day = calendarDay(days).text
  for (let index = 0; index < day.length; index++) text[index] = day.charCodeAt(index)
  writtenDays = days
}

function writePair(at: number, value: number): void {
  const tens = (value / 10) | 0
  text[at] = zero + tens
  text[at + 1] = zero + value - 10 * tens
}

function writeTriple(at: number, value: number): void {
  const hundreds = (value / 100) | 0
  text[at] = zero + hundreds
  writePair(at + 1, value - 100 * hundreds)
}

const bigDay = BigInt(dayMicroseconds)

function farText(microseconds: bigint, type: string, zone: string): string {
  if (microseconds === infinity) return 'infinity'
  if (microseconds === minusInfinity) return '-infinity'
  if (microseconds < first || microseconds >= beyond) {
    throw new ProtocolError(`a binary ${type} could not be read`, `${microseconds} is beyond every timestamp`, 0)
  }
  const rest = ((microseconds % bigDay) + bigDay) % bigDay
  const { text: day, beforeChrist } = calendarDay(Number((microseconds - rest) / bigDay))
  return `${day} ${timeOfDay(Number(rest))}${zone}${beforeChrist ? ' BC' : ''}`
}

function microsecondsOfText(given: string, type: string, zone: string): bigint {
  if (given === 'infinity') return infinity
  if (given === '-infinity') return minusInfinity
  const beforeChrist = given.endsWith(' BC')
  const withZone = beforeChrist ? given.slice(0, -3) : given
  const [day = '', time = ''] = withZone.slice(0, withZone.length - zone.length).split(' ')
  const days = daysOfDate(day, beforeChrist)
  if (days === undefined || !withZone.endsWith(zone)) throw new TypeError(`'${given}' is no ${type}`)
  const microseconds = BigInt(days) * bigDay + BigInt(microsecondsOf(time, type))
  if (microseconds < first || microseconds >= beyond) throw new TypeError(`'${given}' is beyond every ${type}`)
  return microseconds
}
