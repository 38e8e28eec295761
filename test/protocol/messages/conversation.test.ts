import { describe, expect, test } from 'vitest'
import { type BackendMessage, encodeBackend } from '../../../src/protocol/messages/backend.ts'
import { Conversation, type ConversationMessage } from '../../../src/protocol/messages/conversation.ts'
import { encodeFrontend, type FrontendMessage } from '../../../src/protocol/messages/frontend.ts'
import {
  encodeEncryptionResponse,
  encodeUntaggedMessage,
  type UntaggedMessage,
} from '../../../src/protocol/messages/startup-messages.ts'

type Said = readonly ['client' | 'server', Uint8Array]

const begins = (message: UntaggedMessage): Said => ['client', encodeUntaggedMessage(message)]
const client = (message: FrontendMessage): Said => ['client', encodeFrontend(message)]
const server = (message: BackendMessage): Said => ['server', encodeBackend(message)]
const answers = (answer: 'S' | 'G' | 'N'): Said => [
  'server',
  encodeEncryptionResponse({ type: 'EncryptionResponse', answer }),
]
const startup = begins({ type: 'StartupMessage', protocolVersion: 0x0003_0002, parameters: [['user', 'ada']] })
const errorFields = {
  severity: 'FATAL',
  severityNonlocalized: 'FATAL',
  code: '53300',
  message: 'sorry, too many clients already',
  detail: undefined,
  hint: undefined,
  position: undefined,
  internalPosition: undefined,
  internalQuery: undefined,
  where: undefined,
  schema: undefined,
  table: undefined,
  column: undefined,
  dataType: undefined,
  constraint: undefined,
  file: undefined,
  line: undefined,
  routine: undefined,
}

/** What is heard of it: `→` from the client, `←` from the server. */
function hear(said: readonly Said[], conversation = new Conversation()): string[] {
  const heard: ConversationMessage[] = []
  for (const [from, chunk] of said) heard.push(...conversation.read(from, chunk))
  return heard.map(({ from, message }) => `${from === 'client' ? '→' : '←'} ${message.type}`)
}

const login: readonly Said[] = [
  begins({ type: 'GSSENCRequest' }),
  answers('N'),
  begins({ type: 'SSLRequest' }),
  answers('N'),
  startup,
  server({ type: 'AuthenticationSASL', mechanisms: ['SCRAM-SHA-256'] }),
  client({ type: 'SASLInitialResponse', mechanism: 'SCRAM-SHA-256', data: 'n,,n=,r=x' }),
  server({ type: 'AuthenticationSASLContinue', data: 'r=xy,s=,i=1' }),
  client({ type: 'SASLResponse', data: 'c=biws,r=xy,p=' }),
  server({ type: 'AuthenticationSASLFinal', data: 'v=' }),
  server({ type: 'AuthenticationOk' }),
  server({ type: 'ReadyForQuery', status: 'I' }),
  client({ type: 'Query', query: 'SELECT 1' }),
  server({ type: 'DataRow', values: [Uint8Array.of(0x31)] }),
  client({ type: 'Terminate' }),
]

const whatWasSaid = [
  '→ GSSENCRequest',
  '← EncryptionResponse',
  '→ SSLRequest',
  '← EncryptionResponse',
  '→ StartupMessage',
  '← AuthenticationSASL',
  '→ SASLInitialResponse',
  '← AuthenticationSASLContinue',
  '→ SASLResponse',
  '← AuthenticationSASLFinal',
  '← AuthenticationOk',
  '← ReadyForQuery',
  '→ Query',
  '← DataRow',
  '→ Terminate',
]

describe('a conversation', () => {
  test('is read from its first byte on, whole messages or byte by byte', () => {
    expect(hear(login)).toEqual(whatWasSaid)
    const bytes = login.flatMap(([from, chunk]) => [...chunk].map((byte): Said => [from, Uint8Array.of(byte)]))
    expect(hear(bytes)).toEqual(whatWasSaid)
  })

  test.each([
    ['AuthenticationCleartextPassword', 'PasswordMessage'],
    ['AuthenticationMD5Password', 'PasswordMessage'],
    ['AuthenticationGSS', 'GSSResponse'],
    ['AuthenticationGSSContinue', 'GSSResponse'],
    ['AuthenticationSSPI', 'GSSResponse'],
  ] as const)('knows that the answer to %s is a %s', (asked, answer) => {
    const question: BackendMessage =
      asked === 'AuthenticationMD5Password'
        ? { type: asked, salt: new Uint8Array(4) }
        : asked === 'AuthenticationGSSContinue'
          ? { type: asked, data: new Uint8Array(2) }
          : { type: asked }
    const said = [startup, server(question), client({ type: 'PasswordMessage', password: 'x' })]
    expect(hear(said).at(-1)).toBe(`→ ${answer}`)
  })

  test('has no answer that nobody asked for', () => {
    const unasked = client({ type: 'PasswordMessage', password: 'x' })
    expect(() => hear([startup, unasked])).toThrow('which asked for none')
    expect(() => hear([startup, server({ type: 'AuthenticationOk' }), unasked])).toThrow('which asked for none')
  })

  test.each([
    ['TLS', [begins({ type: 'SSLRequest' }), answers('S')]],
    ['GSSAPI', [begins({ type: 'GSSENCRequest' }), answers('G')]],
    ['TLS from the first byte', []],
  ] as const)('is not read any more once it is encrypted: %s', (_, said) => {
    const conversation = new Conversation()
    hear(said, conversation)
    expect(hear([['client', Uint8Array.of(0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5)]], conversation)).toEqual([])
    expect(hear([['server', Uint8Array.of(0x16, 3, 3, 0, 1, 1)]], conversation)).toEqual([])
    expect(conversation.encrypted).toBe(true)
    expect(hear(login.slice(4))).toEqual(whatWasSaid.slice(4))
  })

  test('may have an error where the answer to a request for encryption is due', () => {
    const said = [begins({ type: 'SSLRequest' }), server({ type: 'ErrorResponse', fields: errorFields })]
    expect(hear(said)).toEqual(['→ SSLRequest', '← ErrorResponse'])
  })

  test('may be nothing but a request to cancel, of either length', () => {
    for (const length of [4, 32]) {
      const cancel = begins({ type: 'CancelRequest', processId: 7, secretKey: new Uint8Array(length) })
      expect(hear([cancel])).toEqual(['→ CancelRequest'])
    }
  })

  test.each([
    ['HTTP', 'GET / HTTP/1.1\r\n\r\n', /the client sent something that is not a message/],
    ['a startup message that no server reads', '\0\0\x27\x15\0\x03\0\0', /without a type with length 10005/],
    ['nothing behind its length', '\0\0\0\x04', /without a type with length 4/],
  ])('is refused when it begins with %s', (_, first, why) => {
    expect(() => hear([['client', Buffer.from(first, 'latin1')]])).toThrow(why)
  })
})
