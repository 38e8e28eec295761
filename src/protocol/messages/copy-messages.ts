import { encodeTagged } from './frame.ts'
import type { Reader } from './reader.ts'
import { backendTag, frontendTag } from './tags.ts'
import { type Format, formatCode, readFormat } from './values.ts'

/*
 * Copying, both ways.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY
 */

/** `G`, `H`, `W`, from the server: copying begins. */
export interface CopyResponse {
  readonly type: 'CopyInResponse' | 'CopyOutResponse' | 'CopyBothResponse'
  /** The format of the whole; `binary` has a header and a trailer. */
  readonly format: Format
  readonly columnFormats: readonly Format[]
}

/** `Int8 format, Int16 columns, Int16 format each` */
export function decodeCopyResponse(type: CopyResponse['type'], reader: Reader): CopyResponse {
  const format = readFormat(reader.uint8('format'), reader)
  const columnFormats: Format[] = []
  const columns = reader.count(reader.int16('number of columns'), 2, 'number of columns')
  for (let column = 0; column < columns; column++) {
    columnFormats.push(readFormat(reader.int16('column format'), reader))
  }
  reader.finish()
  return { type, format, columnFormats }
}

export function encodeCopyResponse({ type, format, columnFormats }: CopyResponse): Uint8Array {
  return encodeTagged(backendTag[type], (writer) => {
    writer.uint8(formatCode(format)).count(columnFormats.length, 'the number of columns')
    for (const columnFormat of columnFormats) writer.int16(formatCode(columnFormat))
  })
}

/**
 * `d`, from either side: a piece of a copy. A server sends whole rows, a client cuts where it likes. Once replication has
 * started, what is in it is a message of its own (replication-messages.ts).
 */
export interface CopyData {
  readonly type: 'CopyData'
  readonly data: Uint8Array
}

/** `Byte[n] data` */
export function decodeCopyData(reader: Reader): CopyData {
  return { type: 'CopyData', data: reader.bytes(reader.remaining, 'data') }
}

export function encodeCopyData({ data }: CopyData): Uint8Array {
  return encodeTagged(frontendTag.CopyData, (writer) => writer.bytes(data))
}

/** `c`, from either side: this side has sent all. */
export interface CopyDone {
  readonly type: 'CopyDone'
}

/** Nothing. */
export function decodeCopyDone(reader: Reader): CopyDone {
  reader.finish()
  return { type: 'CopyDone' }
}

export function encodeCopyDone(_message: CopyDone): Uint8Array {
  return encodeTagged(frontendTag.CopyDone)
}

/** `f`, from the client: the copy is to fail. */
export interface CopyFail {
  readonly type: 'CopyFail'
  /** The cause, which the server's error then names. */
  readonly message: string
}

/** `String message` */
export function decodeCopyFail(reader: Reader): CopyFail {
  const message = reader.cstring('message')
  reader.finish()
  return { type: 'CopyFail', message }
}

export function encodeCopyFail({ message }: CopyFail): Uint8Array {
  return encodeTagged(frontendTag.CopyFail, (writer) => writer.cstring(message, 'the message'))
}
