import { int32At, uint16At, uint32At, uint64At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { sliceAscii } from '../text.ts'
import type { Codec } from './codec.ts'
import { bigEndian } from './integer.ts'
import { writeString } from './string.ts'
import { checkLength } from './value-length.ts'

/*
 * Transaction IDs, command IDs, tuple IDs, LSNs and snapshots: strings.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/xid.c, xid8funcs.c, tid.c, pg_lsn.c
 */

/** xid and cid. Text: decimal. Binary: 4 bytes without a sign. */
export const xidCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 4, 'transaction or command ID')
    return `${uint32At(bytes, start)}`
  },
  encodeText: writeString,
  encodeBinary: (value) => bigEndian(unsigned(writeString(value), 32), 4),
  binaryExact: true,
}

/** xid8. Text: decimal. Binary: 8 bytes without a sign. */
export const xid8Codec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 8, 'xid8')
    return `${uint64At(bytes, start)}`
  },
  encodeText: writeString,
  encodeBinary: (value) => bigEndian(unsigned(writeString(value), 64), 8),
  binaryExact: true,
}

/** tid. Text: (block,offset). Binary: Int32 block, Int16 offset, both without a sign. */
export const tidCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 6, 'tid')
    return `(${uint32At(bytes, start)},${uint16At(bytes, start + 4)})`
  },
  encodeText: writeString,
  encodeBinary: (value) => {
    const [, block = '', offset = ''] = /^\((\d+),(\d+)\)$/.exec(writeString(value)) ?? []
    return Uint8Array.of(...bigEndian(unsigned(block, 32), 4), ...bigEndian(unsigned(offset, 16), 2))
  },
  binaryExact: true,
}

/** pg_lsn. Text: two hexadecimal numbers, 16/B374D848. Binary: 8 bytes without a sign. */
export const lsnCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    checkLength(start, end, 8, 'pg_lsn')
    return `${uint32At(bytes, start).toString(16)}/${uint32At(bytes, start + 4).toString(16)}`.toUpperCase()
  },
  encodeText: writeString,
  encodeBinary: (value) => {
    const [, high, low] = /^([\dA-F]{1,8})\/([\dA-F]{1,8})$/.exec(writeString(value)) ?? []
    if (high === undefined || low === undefined) throw new TypeError(`'${value}' is no pg_lsn`)
    return bigEndian((BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`), 8)
  },
  binaryExact: true,
}

/** pg_snapshot and txid_snapshot. Text: xmin:xmax:xid,xid. Binary: Int32 number of xids, Int64 xmin, xmax and the xids. */
export const snapshotCodec: Codec<string> = {
  readText: sliceAscii,
  readBinary: (bytes, start, end) => {
    const count = end - start < 20 ? -1 : int32At(bytes, start)
    if (count < 0 || end - start !== 20 + 8 * count) {
      throw new ProtocolError('a binary snapshot could not be read', `${end - start} bytes came`, 0)
    }
    let xids = ''
    for (let at = start + 20; at < end; at += 8) xids += `${xids === '' ? '' : ','}${uint64At(bytes, at)}`
    return `${uint64At(bytes, start + 4)}:${uint64At(bytes, start + 12)}:${xids}`
  },
  encodeText: writeString,
  encodeBinary: (value) => {
    const [, least = '', beyond = '', xids = ''] = /^(\d+):(\d+):([\d,]*)$/.exec(writeString(value)) ?? []
    const running = xids === '' ? [] : xids.split(',')
    const numbers = [least, beyond, ...running].map((text) => unsigned(text, 64))
    const bytes = new Uint8Array(4 + 8 * numbers.length)
    const view = new DataView(bytes.buffer)
    view.setInt32(0, running.length)
    for (const [index, number] of numbers.entries()) view.setBigUint64(4 + 8 * index, number)
    return bytes
  },
  binaryExact: true,
}

function unsigned(text: string, bits: number): bigint {
  if (!/^\d+$/.test(text) || BigInt(text) >> BigInt(bits) !== 0n) {
    throw new TypeError(`'${text}' is no number of ${bits} bits`)
  }
  return BigInt(text)
}
