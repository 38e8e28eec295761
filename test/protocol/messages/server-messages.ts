/** What a server sends, encoded by hand from the documentation: independent of the code under test. */

/** `Byte1 tag, Int32 length, body` */
export function message(tag: string, ...parts: (Uint8Array | string | number)[]): Uint8Array {
  const body = Buffer.concat(parts.map(part))
  const head = Buffer.alloc(5)
  head.write(tag, 0, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function part(value: Uint8Array | string | number): Uint8Array {
  if (typeof value === 'number') return int32(value)
  return typeof value === 'string' ? cstring(value) : value
}

export function cstring(text: string): Uint8Array {
  return Buffer.from(`${text}\0`, 'utf8')
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text, 'utf8')
}

export function int8(value: number): Uint8Array {
  return Uint8Array.of(value)
}

export function int16(value: number): Uint8Array {
  const buffer = Buffer.alloc(2)
  buffer.writeInt16BE(value)
  return buffer
}

export function int32(value: number): Uint8Array {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}

export const authenticationOk = message('R', 0)
export const authenticationCleartext = message('R', 3)
export const authenticationMd5 = (salt: Uint8Array): Uint8Array => message('R', 5, salt)
export const authenticationSasl = (...mechanisms: string[]): Uint8Array => message('R', 10, ...mechanisms, int8(0))
export const authenticationSaslContinue = (data: string): Uint8Array => message('R', 11, bytes(data))
export const authenticationSaslFinal = (data: string): Uint8Array => message('R', 12, bytes(data))
export const parameterStatus = (name: string, value: string): Uint8Array => message('S', name, value)
export const backendKeyData = (processId = 4711, key: Uint8Array = int32(42)): Uint8Array =>
  message('K', processId, key)
export const readyForQuery = (status = 'I'): Uint8Array => message('Z', bytes(status))
export const commandComplete = (tag: string): Uint8Array => message('C', tag)
export const copyData = (data: Uint8Array | string): Uint8Array =>
  message('d', typeof data === 'string' ? bytes(data) : data)
export const copyDone = message('c')
export const copyBoth = message('W', int8(0), int16(0))
export const copyOut = (columns = 1): Uint8Array =>
  message('H', int8(0), int16(columns), ...Array.from({ length: columns }, () => int16(0)))

/** Fields by their type's letter, as in the documentation. */
export const errorResponse = (fields: Record<string, string>): Uint8Array => fieldsMessage('E', fields)
export const noticeResponse = (fields: Record<string, string>): Uint8Array => fieldsMessage('N', fields)

function fieldsMessage(tag: string, fields: Record<string, string>): Uint8Array {
  const parts = Object.entries(fields).flatMap(([type, value]) => [bytes(type), cstring(value)])
  return message(tag, ...parts, int8(0))
}

export const fatal = (code: string, text: string): Uint8Array =>
  errorResponse({ S: 'FATAL', V: 'FATAL', C: code, M: text })
export const error = (code: string, text: string): Uint8Array =>
  errorResponse({ S: 'ERROR', V: 'ERROR', C: code, M: text })

export function rowDescription(...names: string[]): Uint8Array {
  const fields = names.flatMap((name) => [cstring(name), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)])
  return message('T', int16(names.length), ...fields)
}

export function dataRow(...values: (string | Uint8Array | null)[]): Uint8Array {
  const parts = values.flatMap((value) => {
    if (value === null) return [int32(-1)]
    const data = typeof value === 'string' ? bytes(value) : value
    return [int32(data.length), data]
  })
  return message('D', int16(values.length), ...parts)
}

/** All that follows a successful authentication, as a server of this version sends it. */
export function sessionBegins(serverVersion = '16.4'): Uint8Array {
  return Buffer.concat([
    authenticationOk,
    parameterStatus('server_version', serverVersion),
    parameterStatus('server_encoding', 'UTF8'),
    backendKeyData(),
    readyForQuery(),
  ])
}
