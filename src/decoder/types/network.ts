import { uint16At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { sliceAscii } from '../text.ts'
import type { Codec } from './codec.ts'
import { writeString } from './string.ts'

/*
 * Text: 192.168.0.1/24, ::ffff:1.2.3.4; an inet without its netmask where that is all bits, a cidr always with it.
 * Binary: Byte family (2 IPv4, 3 IPv6), Byte bits of the netmask, Byte whether it is a cidr, Byte length (4 or 16), and the
 * address. https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/network.c, src/port/inet_net_ntop.c
 */

const headerBytes = 4
const families = [
  { family: 2, length: 4 },
  { family: 3, length: 16 },
] as const

/** inet: a string. */
export const inetCodec: Codec<string> = makeCodec('inet', false)

/** cidr: a string. */
export const cidrCodec: Codec<string> = makeCodec('cidr', true)

function makeCodec(type: string, alwaysWithMask: boolean): Codec<string> {
  return {
    readText: sliceAscii,
    readBinary: (bytes, start, end) => {
      const [family, bits = 0, , length = 0] = bytes.subarray(start, Math.min(end, start + headerBytes))
      const known = families.find((candidate) => candidate.family === family)
      if (known?.length !== length || end - start !== headerBytes + length || bits > 8 * length) {
        throw new ProtocolError(`a binary ${type} could not be read`, 'its header does not fit an address', 0)
      }
      const address = length === 4 ? textOf4(bytes, start + headerBytes) : textOf6(bytes, start + headerBytes)
      return alwaysWithMask || bits < 8 * length ? `${address}/${bits}` : address
    },
    encodeText: writeString,
    encodeBinary: (value) => {
      const text = writeString(value)
      const [address = '', mask] = text.split('/')
      const sent = address.includes(':') ? bytesOf6(address) : bytesOf4(address)
      const bits = mask === undefined ? 8 * (sent?.length ?? 0) : Number(mask)
      if (sent === undefined || !(bits >= 0 && bits <= 8 * sent.length)) throw new TypeError(`'${text}' is no ${type}`)
      const family = sent.length === 4 ? families[0].family : families[1].family
      return Uint8Array.of(family, bits, alwaysWithMask ? 1 : 0, sent.length, ...sent)
    },
    binaryExact: true,
  }
}

function textOf4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
}

/** Eight groups, the first of the longest runs of two zero groups or more as `::`, IPv4 inside IPv6 in its own way. */
function textOf6(bytes: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => uint16At(bytes, at + 2 * index))
  const { first, length } = longestZeroRun(groups)
  // ::1.2.3.4 and ::ffff:1.2.3.4, but ::2
  const holdsIpv4 = first === 0 && (length === 6 || (length === 5 && groups[5] === 0xffff))
  const written = groups.slice(0, holdsIpv4 ? 6 : 8).map((group) => group.toString(16))
  if (holdsIpv4) written.push(textOf4(bytes, at + 12))
  if (length < 2) return written.join(':')
  return `${written.slice(0, first).join(':')}::${written.slice(first + length).join(':')}`
}

function longestZeroRun(groups: readonly number[]): { first: number; length: number } {
  let longest = { first: 0, length: 0 }
  for (let first = 0; first < groups.length; first++) {
    let end = first
    while (groups[end] === 0) end++
    if (end - first > longest.length) longest = { first, length: end - first }
    if (end > first) first = end
  }
  return longest
}

function bytesOf4(text: string): number[] | undefined {
  const parts = text.split('.')
  const bytes = parts.map(Number)
  const fits = parts.length === 4 && parts.every((part, index) => /^\d{1,3}$/.test(part) && bytes[index]! < 256)
  return fits ? bytes : undefined
}

function bytesOf6(text: string): number[] | undefined {
  const halves = text.split('::')
  const [before, after] = halves.map(groupBytes)
  if (before === undefined || halves.length > 2) return undefined
  if (halves.length === 1) return before.length === 16 ? before : undefined
  if (after === undefined || before.length + after.length > 14) return undefined
  return [...before, ...Array.from({ length: 16 - before.length - after.length }, () => 0), ...after]
}

function groupBytes(text: string): number[] | undefined {
  const bytes: number[] = []
  for (const group of text === '' ? [] : text.split(':')) {
    const ipv4 = bytesOf4(group)
    if (ipv4 !== undefined) bytes.push(...ipv4)
    else if (/^[\da-f]{1,4}$/.test(group))
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff)
    else return undefined
  }
  return bytes
}
