import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Framer } from '../../../src/protocol/messages/framer.ts'
import {
  decodeReplication,
  encodeHotStandbyFeedback,
  encodePrimaryKeepalive,
  encodeReplication,
  encodeStandbyStatusUpdate,
  encodeXLogData,
  postgresEpochMicros,
  type ReplicationMessage,
  xLogDataLayout,
} from '../../../src/protocol/messages/replication-messages.ts'

const lsn = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
/** Everything that 64 bits can hold when they count from 2000. */
const time = fc.bigInt({ min: -(2n ** 63n) + postgresEpochMicros, max: 2n ** 63n - 1n })

/** The message inside a CopyData that an encoder made, which must be exactly one. */
function decode(encoded: Uint8Array): ReplicationMessage {
  const framer = new Framer()
  framer.push(encoded)
  expect(framer.next()).toBe(true)
  expect(framer.buffered).toBe(0)
  expect(framer.tag).toBe(0x64)
  return decodeReplication(framer.bytes, framer.start, framer.end)
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('replication messages', () => {
  test('of WAL data survive both ways', () => {
    fc.assert(
      fc.property(lsn, lsn, time, fc.uint8Array(), (dataStart, walEnd, sendTime, data) => {
        const message = { dataStart, walEnd, sendTime, data }
        expect(decode(encodeXLogData(message))).toEqual({ type: 'XLogData', ...message })
      }),
    )
  })

  test('of keepalives survive both ways', () => {
    fc.assert(
      fc.property(lsn, time, fc.boolean(), (walEnd, sendTime, replyRequested) => {
        const message = { walEnd, sendTime, replyRequested }
        expect(decode(encodePrimaryKeepalive(message))).toEqual({ type: 'PrimaryKeepalive', ...message })
      }),
    )
  })

  test('of status survive both ways', () => {
    fc.assert(
      fc.property(lsn, lsn, lsn, time, fc.boolean(), (write, flush, apply, clock, replyRequested) => {
        const message = { write, flush, apply, clock, replyRequested }
        expect(decode(encodeStandbyStatusUpdate(message))).toEqual({ type: 'StandbyStatusUpdate', ...message })
      }),
    )
  })

  test('of a standby that needs rows survive both ways', () => {
    const xid = fc.integer({ min: 0, max: 0xffff_ffff })
    fc.assert(
      fc.property(time, xid, xid, xid, xid, (clock, xmin, xminEpoch, catalogXmin, catalogXminEpoch) => {
        const message = { clock, xmin, xminEpoch, catalogXmin, catalogXminEpoch }
        expect(decode(encodeHotStandbyFeedback(message))).toEqual({ type: 'HotStandbyFeedback', ...message })
        expect(encodeReplication({ type: 'HotStandbyFeedback', ...message })).toEqual(encodeHotStandbyFeedback(message))
      }),
    )
  })

  test('are laid out as documented', () => {
    const feedback = {
      clock: postgresEpochMicros,
      xmin: 1,
      xminEpoch: 2,
      catalogXmin: 3,
      catalogXminEpoch: 0xffff_ffff,
    }
    expect(hex(encodeHotStandbyFeedback(feedback))).toBe(
      `64${'0000001d'}68${'0000000000000000'}${'00000001'}${'00000002'}${'00000003'}ffffffff`,
    )
    expect(
      hex(
        encodeStandbyStatusUpdate({
          write: 0x16_b374_d848n,
          flush: 1n,
          apply: 0xffff_ffff_ffff_ffffn,
          // trap 65: one second after Postgres' epoch, which is 946,684,800 s after 1970
          clock: 946_684_801_000_000n,
          replyRequested: true,
        }),
      ),
    ).toBe(`64${'00000026'}72${'00000016b374d848'}${'0000000000000001'}${'ffffffffffffffff'}${'00000000000f4240'}01`)
    const keepalive = { walEnd: 2n, sendTime: postgresEpochMicros, replyRequested: false }
    expect(hex(encodePrimaryKeepalive(keepalive))).toBe(`64${'00000016'}6b${'0000000000000002'}${'0000000000000000'}00`)
    const data = { dataStart: 3n, walEnd: 4n, sendTime: postgresEpochMicros, data: Uint8Array.of(0x42) }
    expect(hex(encodeXLogData(data))).toBe(
      `64${'0000001e'}77${'0000000000000003'}${'0000000000000004'}${'0000000000000000'}42`,
    )
  })

  test('have the epoch that the calendar says', () => {
    expect(postgresEpochMicros).toBe(BigInt(Date.UTC(2000, 0, 1)) * 1000n)
  })

  test('of WAL data can be read in place', () => {
    const encoded = encodeXLogData({ dataStart: 7n, walEnd: 8n, sendTime: 9n, data: Uint8Array.of(1, 2) })
    const body = new DataView(encoded.buffer, 5)
    expect(body.getBigUint64(xLogDataLayout.dataStart)).toBe(7n)
    expect(body.getBigUint64(xLogDataLayout.walEnd)).toBe(8n)
    expect(body.getBigInt64(xLogDataLayout.sendTime)).toBe(9n - postgresEpochMicros)
    expect(body.getUint8(xLogDataLayout.data)).toBe(1)
  })

  test('of any bytes either read or are refused', () => {
    const tag = fc.constantFrom(0x77, 0x6b, 0x72, 0x68, 0)
    fc.assert(
      fc.property(tag, fc.uint8Array({ maxLength: 40 }), (first, rest) => {
        const bytes = Uint8Array.of(first, ...rest)
        try {
          decodeReplication(bytes, 0, bytes.length)
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol_violation' })
        }
      }),
    )
    expect(() => decodeReplication(new Uint8Array(0), 0, 0)).toThrow('tag needs 1 bytes')
    expect(() => decodeReplication(Uint8Array.of(0x70), 0, 1)).toThrow('none of w, k, r and h')
  })
})
