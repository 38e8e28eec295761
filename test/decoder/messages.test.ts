import { expect, test } from 'vitest'
import { decodeLogicalMessage, encodeLogicalMessage, type LogicalMessage } from '../../src/decoder/messages.ts'
import { Reader } from '../../src/protocol/reader.ts'

test('a message longer than the writer began with is written whole, not into the memory that it grew out of', () => {
  const message: LogicalMessage = {
    kind: 'message',
    transactional: false,
    lsn: 0x1_0000_0001n,
    prefix: 'p'.repeat(1000),
    content: new Uint8Array(100_000).fill(7),
  }
  const bytes = encodeLogicalMessage(message)
  expect(decodeLogicalMessage(new Reader(bytes, 1, bytes.length, 'Message'))).toEqual(message)
})
