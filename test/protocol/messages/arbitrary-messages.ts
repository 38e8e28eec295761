import fc from 'fast-check'
import type { BackendMessage } from '../../../src/protocol/messages/backend.ts'
import type { ErrorFields } from '../../../src/protocol/messages/error-fields.ts'
import type { FrontendMessage } from '../../../src/protocol/messages/frontend.ts'
import type { UntaggedMessage } from '../../../src/protocol/messages/startup-messages.ts'
import type { Format, WireValue } from '../../../src/protocol/messages/values.ts'

/** Any text that the protocol can carry: no zero byte, whole characters. */
export const text: fc.Arbitrary<string> = fc.string({ unit: 'binary' }).map((raw) => raw.replaceAll('\0', ''))

const name = text.filter((raw) => raw !== '')
const bytes = fc.uint8Array({ maxLength: 40 })
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const int32 = fc.integer()
const int16 = fc.integer({ min: -0x8000, max: 0x7fff })
export const oid: fc.Arbitrary<number> = fc.integer({ min: 0, max: 0xffff_ffff })
const secretKey = fc.oneof(exactly(4), exactly(32), fc.uint8Array({ minLength: 4, maxLength: 256, size: 'max' }))
const format = fc.constantFrom<Format>('text', 'binary')
const formats = fc.array(format, { maxLength: 5 })
const values = fc.array(fc.option<WireValue>(bytes), { maxLength: 5 })
const oids = fc.array(oid, { maxLength: 5 })

const one = <const T extends string>(type: T) => fc.constant({ type })
const prepared = fc.constantFrom('statement' as const, 'portal' as const)

/** Every message that a client sends under a tag. */
export const frontendMessages: {
  readonly [T in FrontendMessage['type']]: fc.Arbitrary<FrontendMessage & { type: T }>
} = {
  Bind: fc.record({
    type: fc.constant('Bind'),
    portal: text,
    statement: text,
    parameterFormats: formats,
    parameters: values,
    resultFormats: formats,
  }),
  Close: fc.record({ type: fc.constant('Close'), of: prepared, name: text }),
  CopyData: fc.record({ type: fc.constant('CopyData'), data: bytes }),
  CopyDone: one('CopyDone'),
  CopyFail: fc.record({ type: fc.constant('CopyFail'), message: text }),
  Describe: fc.record({ type: fc.constant('Describe'), of: prepared, name: text }),
  Execute: fc.record({ type: fc.constant('Execute'), portal: text, maximumRows: int32 }),
  Flush: one('Flush'),
  FunctionCall: fc.record({
    type: fc.constant('FunctionCall'),
    functionOid: oid,
    argumentFormats: formats,
    arguments: values,
    resultFormat: format,
  }),
  GSSResponse: fc.record({ type: fc.constant('GSSResponse'), data: bytes }),
  Parse: fc.record({ type: fc.constant('Parse'), statement: text, query: text, parameterTypeOids: oids }),
  PasswordMessage: fc.record({ type: fc.constant('PasswordMessage'), password: text }),
  Query: fc.record({ type: fc.constant('Query'), query: text }),
  SASLInitialResponse: fc.record({
    type: fc.constant('SASLInitialResponse'),
    mechanism: text,
    data: fc.option(fc.string({ unit: 'binary' })),
  }),
  SASLResponse: fc.record({ type: fc.constant('SASLResponse'), data: fc.string({ unit: 'binary' }) }),
  Sync: one('Sync'),
  Terminate: one('Terminate'),
}

/** Every message that a client sends without one. */
export const untaggedMessages: {
  readonly [T in UntaggedMessage['type']]: fc.Arbitrary<UntaggedMessage & { type: T }>
} = {
  CancelRequest: fc.record({ type: fc.constant('CancelRequest'), processId: int32, secretKey }),
  GSSENCRequest: one('GSSENCRequest'),
  SSLRequest: one('SSLRequest'),
  StartupMessage: fc.record({
    type: fc.constant('StartupMessage'),
    protocolVersion: fc.constantFrom(0x0003_0000, 0x0003_0002, 0x0003_270f),
    parameters: fc.array(fc.tuple(fc.oneof(name, fc.constantFrom('user', 'replication', '_pq_.x')), text), {
      maxLength: 5,
    }),
  }),
}

const maybe = fc.option(text, { nil: undefined })
const errorFields: fc.Arbitrary<ErrorFields> = fc
  .record({
    severity: text,
    severityNonlocalized: maybe,
    code: text,
    message: text,
    detail: maybe,
    hint: maybe,
    position: maybe,
    internalPosition: maybe,
    internalQuery: maybe,
    where: maybe,
    schema: maybe,
    table: maybe,
    column: maybe,
    dataType: maybe,
    constraint: maybe,
    file: maybe,
    line: maybe,
    routine: maybe,
    others: fc.array(fc.record({ fieldType: fc.constantFrom('Z', 'x', '0', '\u00ff'), value: text }), { maxLength: 3 }),
  })
  .map(({ others, ...fields }) => (others.length === 0 ? fields : { ...fields, others }))

const copyResponse = <const T extends string>(type: T) =>
  fc.record({ type: fc.constant(type), format, columnFormats: formats })

/** Every message that a server sends under a tag. */
export const backendMessages: { readonly [T in BackendMessage['type']]: fc.Arbitrary<BackendMessage & { type: T }> } = {
  AuthenticationCleartextPassword: one('AuthenticationCleartextPassword'),
  AuthenticationGSS: one('AuthenticationGSS'),
  AuthenticationGSSContinue: fc.record({ type: fc.constant('AuthenticationGSSContinue'), data: bytes }),
  AuthenticationKerberosV5: one('AuthenticationKerberosV5'),
  AuthenticationMD5Password: fc.record({ type: fc.constant('AuthenticationMD5Password'), salt: exactly(4) }),
  AuthenticationOk: one('AuthenticationOk'),
  AuthenticationSASL: fc.record({
    type: fc.constant('AuthenticationSASL'),
    mechanisms: fc.array(name, { maxLength: 3 }),
  }),
  AuthenticationSASLContinue: fc.record({
    type: fc.constant('AuthenticationSASLContinue'),
    data: fc.string({ unit: 'binary' }),
  }),
  AuthenticationSASLFinal: fc.record({
    type: fc.constant('AuthenticationSASLFinal'),
    data: fc.string({ unit: 'binary' }),
  }),
  AuthenticationSCMCredential: one('AuthenticationSCMCredential'),
  AuthenticationSSPI: one('AuthenticationSSPI'),
  BackendKeyData: fc.record({ type: fc.constant('BackendKeyData'), processId: int32, secretKey }),
  BindComplete: one('BindComplete'),
  CloseComplete: one('CloseComplete'),
  CommandComplete: fc.record({ type: fc.constant('CommandComplete'), command: text }),
  CopyBothResponse: copyResponse('CopyBothResponse'),
  CopyData: fc.record({ type: fc.constant('CopyData'), data: bytes }),
  CopyDone: one('CopyDone'),
  CopyInResponse: copyResponse('CopyInResponse'),
  CopyOutResponse: copyResponse('CopyOutResponse'),
  DataRow: fc.record({ type: fc.constant('DataRow'), values }),
  EmptyQueryResponse: one('EmptyQueryResponse'),
  ErrorResponse: fc.record({ type: fc.constant('ErrorResponse'), fields: errorFields }),
  FunctionCallResponse: fc.record({ type: fc.constant('FunctionCallResponse'), value: fc.option<WireValue>(bytes) }),
  NegotiateProtocolVersion: fc.record({
    type: fc.constant('NegotiateProtocolVersion'),
    version: int32,
    unrecognizedOptions: fc.array(text, { maxLength: 4 }),
  }),
  NoData: one('NoData'),
  NoticeResponse: fc.record({ type: fc.constant('NoticeResponse'), fields: errorFields }),
  NotificationResponse: fc.record({
    type: fc.constant('NotificationResponse'),
    processId: int32,
    channel: text,
    payload: text,
  }),
  ParameterDescription: fc.record({ type: fc.constant('ParameterDescription'), parameterTypeOids: oids }),
  ParameterStatus: fc.record({ type: fc.constant('ParameterStatus'), name: text, value: text }),
  ParseComplete: one('ParseComplete'),
  PortalSuspended: one('PortalSuspended'),
  ReadyForQuery: fc.record({ type: fc.constant('ReadyForQuery'), status: fc.constantFrom('I', 'T', 'E') }),
  RowDescription: fc.record({
    type: fc.constant('RowDescription'),
    fields: fc.array(
      fc.record({
        name: text,
        tableOid: oid,
        columnNumber: int16,
        typeOid: oid,
        typeSize: int16,
        typeModifier: int32,
        format,
      }),
      { maxLength: 4 },
    ),
  }),
}
