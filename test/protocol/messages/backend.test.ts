import fc from 'fast-check'
import { Parser } from 'pg-protocol/dist/parser'
import { describe, expect, test } from 'vitest'
import { type BackendMessage, decodeBackend } from '../../../src/protocol/messages/backend.ts'
import { Framer } from '../../../src/protocol/messages/framer.ts'
import {
  backendKeyData,
  bytes,
  commandComplete,
  copyData,
  cstring,
  dataRow,
  errorResponse,
  int8,
  int16,
  int32,
  message,
  noticeResponse,
  parameterStatus,
  readyForQuery,
} from './server-messages.ts'

function decodeAll(stream: Uint8Array): BackendMessage[] {
  const framer = new Framer()
  framer.push(stream)
  const messages: BackendMessage[] = []
  while (framer.next()) messages.push(decodeBackend(framer.tag, framer.bytes, framer.start, framer.end))
  return messages
}

function decode(one: Uint8Array): BackendMessage {
  const [first] = decodeAll(one)
  if (first === undefined) throw new Error('no message')
  return first
}

const text = fc.string({ unit: 'binary' }).map((raw) => Buffer.from(raw.replaceAll('\0', ''), 'utf8').toString('utf8'))
const oid = fc.integer({ min: 0, max: 0xffff_ffff })
const small = fc.integer({ min: -0x8000, max: 0x7fff })

const errorLetters = ['S', 'V', 'C', 'M', 'D', 'H', 'P', 'p', 'q', 'W', 's', 't', 'c', 'd', 'n', 'F', 'L', 'R', 'Z']

const field = fc
  .record({ name: text, table: oid, column: small, type: oid, size: small, modifier: fc.integer(), format: fc.nat(1) })
  .map((f) => [
    cstring(f.name),
    int32(f.table | 0),
    int16(f.column),
    int32(f.type | 0),
    int16(f.size),
    int32(f.modifier),
    int16(f.format),
  ])

/** One of every kind that pg-protocol knows, as bytes. */
const encoded: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constantFrom(message('R', 0), message('R', 3), message('c'), message('I')),
  fc.constantFrom('1', '2', '3', 'n', 's').map((tag) => message(tag)),
  fc
    .array(oid, { maxLength: 5 })
    .map((types) => message('t', int16(types.length), ...types.map((type) => int32(type | 0)))),
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((salt) => message('R', 5, salt)),
  fc
    .array(
      text.filter((name) => name !== ''),
      { maxLength: 4 },
    )
    .map((names) => message('R', 10, ...names, int8(0))),
  text.map((data) => message('R', 11, bytes(data))),
  text.map((data) => message('R', 12, bytes(data))),
  fc.tuple(fc.integer(), fc.integer()).map(([processId, key]) => backendKeyData(processId, int32(key))),
  text.map(commandComplete),
  fc.uint8Array({ maxLength: 50 }).map(copyData),
  fc
    .tuple(fc.constantFrom('G', 'H'), fc.nat(1), fc.array(fc.nat(1), { maxLength: 5 }))
    .map(([tag, format, columns]) => message(tag, int8(format), int16(columns.length), ...columns.map(int16))),
  fc.array(fc.option(text), { maxLength: 6 }).map((values) => dataRow(...values)),
  fc.dictionary(fc.constantFrom(...errorLetters), text).map(errorResponse),
  fc.dictionary(fc.constantFrom(...errorLetters), text).map(noticeResponse),
  fc.tuple(fc.integer(), text, text).map(([processId, channel, payload]) => message('A', processId, channel, payload)),
  fc.tuple(text, text).map(([name, value]) => parameterStatus(name, value)),
  fc.constantFrom('I', 'T', 'E').map(readyForQuery),
  fc.array(field, { maxLength: 5 }).map((fields) => message('T', int16(fields.length), ...fields.flat())),
)

/** A message of ours in the names of pg-protocol. */
function inTheirNames(ours: BackendMessage): object {
  switch (ours.type) {
    case 'AuthenticationOk':
      return { name: 'authenticationOk' }
    case 'AuthenticationCleartextPassword':
      return { name: 'authenticationCleartextPassword' }
    case 'AuthenticationMD5Password':
      return { name: 'authenticationMD5Password', salt: [...ours.salt] }
    case 'AuthenticationSASL':
      return { name: 'authenticationSASL', mechanisms: ours.mechanisms }
    case 'AuthenticationSASLContinue':
      return { name: 'authenticationSASLContinue', data: ours.data }
    case 'AuthenticationSASLFinal':
      return { name: 'authenticationSASLFinal', data: ours.data }
    case 'BackendKeyData':
      return {
        name: 'backendKeyData',
        processID: ours.processId,
        secretKey: Buffer.from(ours.secretKey).readInt32BE(),
      }
    case 'CommandComplete':
      return { name: 'commandComplete', text: ours.command }
    case 'CopyData':
      return { name: 'copyData', chunk: [...ours.data] }
    case 'CopyDone':
      return { name: 'copyDone' }
    case 'CopyInResponse':
    case 'CopyOutResponse':
      return {
        name: ours.type === 'CopyInResponse' ? 'copyInResponse' : 'copyOutResponse',
        binary: ours.format === 'binary',
        columnTypes: ours.columnFormats.map((format) => (format === 'binary' ? 1 : 0)),
      }
    case 'DataRow': {
      const fields = ours.values.map((value) => (value === null ? null : Buffer.from(value).toString('utf8')))
      return { name: 'dataRow', fields, fieldCount: fields.length }
    }
    case 'BindComplete':
    case 'CloseComplete':
    case 'NoData':
    case 'ParseComplete':
    case 'PortalSuspended':
      return { name: `${ours.type.charAt(0).toLowerCase()}${ours.type.slice(1)}` }
    case 'ParameterDescription':
      return {
        name: 'parameterDescription',
        parameterCount: ours.parameterTypeOids.length,
        dataTypeIDs: ours.parameterTypeOids,
      }
    case 'EmptyQueryResponse':
      return { name: 'emptyQuery' }
    case 'ErrorResponse':
    case 'NoticeResponse': {
      const { severityNonlocalized, others, ...fields } = ours.fields
      return { name: ours.type === 'ErrorResponse' ? 'error' : 'notice', ...fields }
    }
    case 'NotificationResponse':
      return { name: 'notification', processId: ours.processId, channel: ours.channel, payload: ours.payload }
    case 'ParameterStatus':
      return { name: 'parameterStatus', parameterName: ours.name, parameterValue: ours.value }
    case 'ReadyForQuery':
      return { name: 'readyForQuery', status: ours.status }
    case 'RowDescription':
      return {
        name: 'rowDescription',
        fieldCount: ours.fields.length,
        fields: ours.fields.map((f) => ({
          name: f.name,
          tableID: f.tableOid,
          columnID: f.columnNumber,
          dataTypeID: f.typeOid,
          dataTypeSize: f.typeSize,
          dataTypeModifier: f.typeModifier,
          format: f.format,
        })),
      }
    default:
      throw new Error(`pg-protocol has no ${ours.type}`)
  }
}

/** What pg-protocol says, as plain data, without the length that it notes and the stack of an error. */
function theirs(stream: Buffer): object[] {
  const messages: object[] = []
  // it hands out views of a buffer that it overwrites, so each message is copied at once
  new Parser().parse(stream, (got) => {
    const plain: Record<string, unknown> = { ...got, name: got.name }
    if (got instanceof Error) plain.message = got.message
    delete plain.length
    for (const key of ['salt', 'chunk', 'columnTypes']) {
      const value = plain[key]
      if (value instanceof Uint8Array || value instanceof Uint16Array || Array.isArray(value)) plain[key] = [...value]
    }
    if (Array.isArray(plain.fields))
      plain.fields = plain.fields.map((f: unknown) => (f instanceof Object ? { ...f } : f))
    messages.push(plain)
  })
  return messages
}

/** pg-protocol leaves out what walwire fills: severity, code and message are never undefined here. */
function withDefaults(message: object): object {
  if (!('name' in message) || (message.name !== 'error' && message.name !== 'notice')) return message
  const { severity, code, message: said } = { severity: undefined, code: undefined, message: undefined, ...message }
  return { ...message, severity: severity ?? '', code: code ?? '', message: said || '' }
}

describe('backend messages', () => {
  test('are read as pg-protocol reads them, in any sequence', () => {
    fc.assert(
      fc.property(fc.array(encoded, { maxLength: 12 }), (list) => {
        const stream = Buffer.concat(list)
        const ours = decodeAll(stream).map(inTheirNames).map(withoutFallback)
        expect(ours).toEqual(theirs(Buffer.from(stream)).map(withDefaults).map(withoutFallback))
      }),
      { numRuns: 300 },
    )
  })

  test('share no memory with the bytes that they were read from', () => {
    fc.assert(
      fc.property(encoded, (one) => {
        const stream = Buffer.from(one)
        const read = decode(stream)
        const before = structuredClone(read)
        stream.fill(0x5a)
        expect(read).toEqual(before)
      }),
    )
  })

  test('are refused, and nothing else happens, when a byte is cut off or added', () => {
    const refusal = expect.objectContaining({ code: 'protocol_violation' })
    fc.assert(
      fc.property(encoded, fc.boolean(), (one, longer) => {
        // these take whatever follows for theirs
        const body = Buffer.from(one.subarray(5))
        const open = one[0] === 0x64 || (one[0] === 0x52 && body.readInt32BE() >= 11) || one[0] === 0x4b
        fc.pre(!open && (longer || body.length > 0))
        const changed = longer ? Buffer.concat([body, int8(1)]) : body.subarray(0, -1)
        expect(() => decodeBackend(one[0] ?? 0, changed, 0, changed.length)).toThrow(refusal)
      }),
    )
  })

  test('of random bytes either read or are refused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 60 }), (tag, body) => {
        try {
          decodeBackend(tag, body, 0, body.length)
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol_violation' })
        }
      }),
      { numRuns: 2000 },
    )
  })
})

/** The severity that is not translated stands in where the other is missing; pg-protocol does not know it. */
function withoutFallback(message: object): object {
  if (!('severity' in message)) return message
  const { severity, ...rest } = message
  return rest
}

describe('what pg-protocol does not read', () => {
  test('CopyBothResponse', () => {
    expect(decode(message('W', int8(0), int16(0)))).toEqual({
      type: 'CopyBothResponse',
      format: 'text',
      columnFormats: [],
    })
  })

  test.each([
    [2, { type: 'AuthenticationKerberosV5' }],
    [6, { type: 'AuthenticationSCMCredential' }],
    [7, { type: 'AuthenticationGSS' }],
    [9, { type: 'AuthenticationSSPI' }],
  ])('authentication of kind %i', (kind, expected) => expect(decode(message('R', kind))).toEqual(expected))

  test('AuthenticationGSSContinue', () => {
    expect(decode(message('R', 8, Uint8Array.of(1, 2)))).toEqual({
      type: 'AuthenticationGSSContinue',
      data: Uint8Array.of(1, 2),
    })
  })

  test('a cancel key of 32 bytes, as protocol 3.2 has it', () => {
    const key = Uint8Array.from({ length: 32 }, (_, index) => index)
    expect(decode(backendKeyData(7, key))).toEqual({ type: 'BackendKeyData', processId: 7, secretKey: key })
    expect(() => decode(backendKeyData(7, new Uint8Array(257)))).toThrow('257 bytes')
    expect(() => decode(backendKeyData(7, new Uint8Array(3)))).toThrow('3 bytes')
  })

  test('NegotiateProtocolVersion', () => {
    expect(decode(message('v', 0x0003_0000, 2, '_pq_.a', '_pq_.b'))).toEqual({
      type: 'NegotiateProtocolVersion',
      version: 0x0003_0000,
      unrecognizedOptions: ['_pq_.a', '_pq_.b'],
    })
  })

  test('an error in an encoding that is not UTF-8', () => {
    const latin1 = Buffer.from('le rôle « x » n’existe pas'.replace('’', "'"), 'latin1')
    const read = decode(message('E', bytes('S'), cstring('FATAL'), bytes('M'), latin1, int8(0), int8(0)))
    expect(read).toMatchObject({ type: 'ErrorResponse', fields: { severity: 'FATAL', code: '' } })
    expect(read.type === 'ErrorResponse' && read.fields.message).toBe("le r\\xf4le \\xab x \\xbb n'existe pas")
  })
})

describe('a malformed message', () => {
  test.each([
    ['an unknown type', message('?'), /type \? is not expected/],
    ['an unknown authentication', message('R', 99), /authentication kind 99 is not known/],
    ['more columns than bytes', message('D', int16(0x7fff)), /number of columns says 32767/],
    ['a negative number of columns', message('D', int16(-1)), /number of columns says -1/],
    ['a value longer than the message', message('D', int16(1), int32(5), bytes('abc')), /value needs 5 bytes/],
    ['a negative length of a value', message('D', int16(1), int32(-2)), /value needs -2 bytes/],
    ['a format that is none', message('H', int8(2), int16(0)), /format 2 is neither/],
    ['a transaction status that is none', message('Z', bytes('X')), /transaction status/],
    ['fields without an end', message('E', bytes('S'), cstring('ERROR')), /field type needs 1 bytes/],
    ['something behind the end', message('c', int8(0)), /1 bytes stand behind/],
  ])('is refused: %s', (_, one, why) => expect(() => decode(one)).toThrow(why))
})
