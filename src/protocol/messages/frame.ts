import { Writer } from './writer.ts'

/**
 * A whole message: `Byte1 tag, Int32 length of itself and the body, body`.
 *
 * @see https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS
 */
export function encodeTagged(tag: number, writeBody: (writer: Writer) => void = () => {}): Uint8Array {
  const writer = new Writer().uint8(tag).int32(0)
  writeBody(writer)
  return writer.int32At(1, writer.length - 1).finish()
}

/** The same without a tag, as the first messages of a client are, from before there were tags. */
export function encodeUntagged(writeBody: (writer: Writer) => void): Uint8Array {
  const writer = new Writer().int32(0)
  writeBody(writer)
  return writer.int32At(0, writer.length).finish()
}
