import { int32At, uint32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { sliceAscii } from '../text.ts'
import { twoDigits } from './calendar.ts'
import type { Codec } from './codec.ts'
import { bigEndian } from './integer.ts'
import { writeString } from './string.ts'
import { checkLength } from './value-length.ts'

/*
 * Text: 13:05:06.789 up to 24:00:00, the fraction without zeros at its end; timetz with its zone behind, east positive:
 * +00, +05:30, -15:59:59. Binary: Int64 microseconds of the day; timetz with Int32 seconds behind, west positive.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/date.c
 */

/** Microseconds of a day. */
export const dayMicroseconds = 86_400_000_000
/** The server knows no zone of 16 hours or more. */
const zoneLimitSeconds = 16 * 3600

/** time: a string. */
export const timeCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 8, 'time')
    return timeOfDay(microsecondsAt(bytes, start, 'time'))
  },
  encodeText: writeString,
  encodeBinary: (value) => bigEndian(BigInt(microsecondsOf(writeString(value), 'time')), 8),
  binaryExact: true,
}

/** timetz: a string. */
export const timetzCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 12, 'timetz')
    const west = int32At(bytes, start + 8)
    if (west <= -zoneLimitSeconds || west >= zoneLimitSeconds) {
      throw new ProtocolError('a binary timetz could not be read', `its zone is ${west} seconds west`, 8)
    }
    return timeOfDay(microsecondsAt(bytes, start, 'timetz')) + zoneText(west)
  },
  encodeText: writeString,
  encodeBinary: (value) => {
    const text = writeString(value)
    const zone = Math.max(text.lastIndexOf('+'), text.lastIndexOf('-'))
    const microseconds = microsecondsOf(text.slice(0, Math.max(0, zone)), 'timetz')
    const bytes = new Uint8Array(12)
    bytes.set(bigEndian(BigInt(microseconds), 8))
    bytes.set(bigEndian(BigInt(westOf(text.slice(zone))), 4), 8)
    return bytes
  },
  binaryExact: true,
}

function microsecondsAt(bytes: Uint8Array, at: number, type: string): number {
  // 24:00:00 is far below 2^53
  const microseconds = int32At(bytes, at) * 0x1_0000_0000 + uint32At(bytes, at + 4)
  if (microseconds < 0 || microseconds > dayMicroseconds) {
    throw new ProtocolError(`a binary ${type} could not be read`, 'it is not within a day', 0)
  }
  return microseconds
}

/** Microseconds as HH:MM:SS with a fraction where there is one. */
export function timeOfDay(microseconds: number): string {
  const seconds = Math.floor(microseconds / 1_000_000)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const time = `${twoDigits(hours)}:${twoDigits(minutes - 60 * hours)}:${twoDigits(seconds - 60 * minutes)}`
  return time + fractionText(microseconds - 1_000_000 * seconds)
}

/** `.789`, or nothing for no microseconds. */
export function fractionText(microseconds: number): string {
  return microseconds === 0 ? '' : `.${`${microseconds}`.padStart(6, '0').replace(/0+$/, '')}`
}

const timeText = /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/

/**
 * The inverse of {@link timeOfDay}.
 *
 * @throws {TypeError} when it is no time of day
 */
export function microsecondsOf(text: string, type: string): number {
  const [matched, hours, minutes, seconds, fraction = ''] = timeText.exec(text) ?? []
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  const microseconds = whole * 1_000_000 + Number(fraction.padEnd(6, '0'))
  if (matched === undefined || Number(minutes) > 59 || Number(seconds) > 59 || microseconds > dayMicroseconds) {
    throw new TypeError(`'${text}' is no time of day, as a ${type} has it`)
  }
  return microseconds
}

function zoneText(west: number): string {
  const seconds = Math.abs(west)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  let text = (west <= 0 ? '+' : '-') + twoDigits(hours)
  if (seconds % 3600 !== 0) text += `:${twoDigits(minutes - 60 * hours)}`
  if (seconds % 60 !== 0) text += `:${twoDigits(seconds - 60 * minutes)}`
  return text
}

const zone = /^([+-])(\d\d)(?::(\d\d)(?::(\d\d))?)?$/

function westOf(text: string): number {
  const [matched, sign, hours, minutes = '0', seconds = '0'] = zone.exec(text) ?? []
  const size = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  if (matched === undefined || size >= zoneLimitSeconds) throw new TypeError(`'${text}' is no time zone of a timetz`)
  return sign === '+' ? 0 - size : size
}
