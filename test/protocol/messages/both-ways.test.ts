import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBackend, encodeBackend } from '../../../src/protocol/messages/backend.ts'
import { Framer } from '../../../src/protocol/messages/framer.ts'
import { decodeFrontend, encodeFrontend, type FrontendMessage } from '../../../src/protocol/messages/frontend.ts'
import type { AuthenticationResponse } from '../../../src/protocol/messages/password-messages.ts'
import {
  decodeEncryptionResponse,
  decodeUntagged,
  encodeEncryptionResponse,
  encodeUntaggedMessage,
} from '../../../src/protocol/messages/startup-messages.ts'
import { law } from '../../property.ts'
import { backendMessages, frontendMessages, untaggedMessages } from './arbitrary-messages.ts'
import { bytes, cstring, int8, int16, int32, message } from './server-messages.ts'

/** The one message that the bytes are, as a framer shows it. */
function frame(encoded: Uint8Array, next: 'next' | 'nextUntagged' | 'nextByte'): [number, Uint8Array, number, number] {
  const framer = new Framer('client')
  framer.push(encoded)
  expect(framer[next]()).toBe(true)
  expect(framer.buffered).toBe(0)
  return [framer.tag, framer.bytes, framer.start, framer.end]
}

const passwords: readonly string[] = ['GSSResponse', 'PasswordMessage', 'SASLInitialResponse', 'SASLResponse']

function isPassword(type: string): type is AuthenticationResponse['type'] {
  return passwords.includes(type)
}

function decodeClient(encoded: Uint8Array, type: FrontendMessage['type']): FrontendMessage {
  return decodeFrontend(...frame(encoded, 'next'), isPassword(type) ? type : undefined)
}

describe('what a client sends comes back as it was:', () => {
  for (const [type, messages] of Object.entries(frontendMessages)) {
    law(
      type,
      fc.property<[FrontendMessage]>(messages, (original) => {
        expect(decodeClient(encodeFrontend(original), original.type)).toEqual(original)
      }),
    )
  }

  for (const [type, messages] of Object.entries(untaggedMessages)) {
    law(
      type,
      fc.property(messages, (original) => {
        const [, body, start, end] = frame(encodeUntaggedMessage(original), 'nextUntagged')
        expect(decodeUntagged(body, start, end)).toEqual(original)
      }),
    )
  }
})

describe('what a server sends comes back as it was:', () => {
  for (const [type, messages] of Object.entries(backendMessages)) {
    law(
      type,
      fc.property(messages, (original) => {
        expect(decodeBackend(...frame(encodeBackend(original), 'next'))).toEqual(original)
      }),
    )
  }

  test.each([
    ['SSLRequest', 'S'],
    ['SSLRequest', 'N'],
    ['GSSENCRequest', 'G'],
    ['GSSENCRequest', 'N'],
  ] as const)('the answer to %s: %s', (request, answer) => {
    const [, body, start] = frame(encodeEncryptionResponse({ type: 'EncryptionResponse', answer }), 'nextByte')
    expect(decodeEncryptionResponse(request, body[start] ?? 0)).toEqual({ type: 'EncryptionResponse', answer })
  })
})

test.each([14, 15, 16, 17, 18])(
  'what PostgreSQL %i said in a recorded session is written again to the same bytes',
  (version) => {
    const session = readFileSync(new URL(`../../../fuzz/corpus/sessions/pg${version}.session`, import.meta.url))
    const framer = new Framer()
    framer.push(session)
    const messages: Uint8Array[] = []
    while (framer.next())
      messages.push(encodeBackend(decodeBackend(framer.tag, framer.bytes, framer.start, framer.end)))
    expect(messages.length).toBeGreaterThan(50)
    expect(Buffer.concat(messages).toString('hex')).toBe(session.toString('hex'))
  },
)

describe('what a client sends', () => {
  const refusal = expect.objectContaining({ code: 'protocol_violation' })
  const anyMessage = fc.oneof(...Object.values<fc.Arbitrary<FrontendMessage>>(frontendMessages))

  law(
    'shares no memory with the bytes that it was read from',
    fc.property(anyMessage, (original) => {
      const encoded = encodeFrontend(original)
      const read = decodeClient(encoded, original.type)
      encoded.fill(0x5a)
      expect(read).toEqual(original)
    }),
  )

  law(
    'is refused, and nothing else happens, when a byte is cut off or added',
    fc.property(anyMessage, fc.boolean(), (original, longer) => {
      // these take whatever follows for theirs
      fc.pre(!['CopyData', 'GSSResponse', 'SASLResponse'].includes(original.type))
      const [tag = 0, ...rest] = encodeFrontend(original)
      const body = rest.slice(4)
      fc.pre(longer || body.length > 0)
      const changed = Uint8Array.from(longer ? [...body, 1] : body.slice(0, -1))
      const password = isPassword(original.type) ? original.type : undefined
      expect(() => decodeFrontend(tag, changed, 0, changed.length, password)).toThrow(refusal)
    }),
  )

  law(
    'of random bytes either reads or is refused',
    fc.property(
      fc.oneof(
        fc.integer({ min: 0, max: 255 }),
        fc.constantFrom(...'BCDEFHPQSXcdfp'.split('').map((tag) => tag.charCodeAt(0))),
      ),
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom(undefined, ...passwords.filter(isPassword)),
      (tag, body, password) => {
        for (const read of [
          () => decodeFrontend(tag, body, 0, body.length, password),
          () => decodeUntagged(body, 0, body.length),
        ]) {
          try {
            read()
          } catch (error) {
            expect(error).toMatchObject({ code: 'protocol_violation' })
          }
        }
      },
    ),
    2000,
  )

  test('counts parameters without a sign: 65,535 of them go through, and one more is refused', () => {
    const most: FrontendMessage = {
      type: 'Bind',
      portal: '',
      statement: '',
      parameterFormats: [],
      parameters: new Array(0xffff).fill(null),
      resultFormats: [],
    }
    expect(decodeClient(encodeFrontend(most), 'Bind')).toEqual(most)
    const tooMany = { ...most, parameters: new Array(0x1_0000).fill(null) }
    expect(() => encodeFrontend(tooMany)).toThrow(expect.objectContaining({ code: 'bad_option' }))
  })

  test('under p is one of four messages, which the bytes do not tell', () => {
    const password = message('p', 'md5')
    expect(() => decodeFrontend(...frame(password, 'next'))).toThrow('which asked for none')
    expect(decodeFrontend(...frame(password, 'next'), 'PasswordMessage')).toEqual({
      type: 'PasswordMessage',
      password: 'md5',
    })
    expect(decodeFrontend(...frame(password, 'next'), 'SASLResponse')).toEqual({ type: 'SASLResponse', data: 'md5\0' })
  })

  test.each([
    ['an unknown type', message('?'), /type \? is not expected/],
    ['more parameters than bytes', message('B', '', '', int16(0), int16(-1)), /number of parameters says 65535/],
    ['more types than bytes', message('P', '', '', int16(9)), /number of parameter types says 9/],
    ['a format that is none', message('B', '', '', int16(1), int16(2)), /format 2 is neither/],
    ['a negative length', message('B', '', '', int16(0), int16(1), int32(-2), int16(0)), /needs -2 bytes/],
    ['something that is neither statement nor portal', message('D', bytes('X'), ''), /the kind is "X"/],
    ['a query without an end', message('Q', bytes('SELECT 1')), /query has no terminating zero byte/],
    ['two queries in one', message('Q', 'SELECT 1', 'SELECT 2'), /9 bytes stand behind/],
    ['text that is not UTF-8', message('Q', Uint8Array.of(0xff), int8(0)), /query is not valid UTF-8/],
    ['something behind the end', message('S', int8(0)), /1 bytes stand behind/],
  ])('is refused: %s', (_, one, why) => expect(() => decodeFrontend(...frame(one, 'next'))).toThrow(why))

  test.each([
    ['another major version', [int32(0x0002_0000)], /its version is 2.0, and 3.x is known/],
    ['a request that is none', [int32(80_877_105)], /its version is 1234.5681/],
    ['a request with something behind it', [int32(80_877_103), int8(0)], /1 bytes stand behind/],
    ['parameters without an end', [int32(0x0003_0000), cstring('user'), cstring('ada')], /no terminating zero byte/],
    ['something behind the parameters', [int32(0x0003_0000), int8(0), int8(0)], /1 bytes stand behind/],
    ['a key that is too short', [int32(80_877_102), int32(1), bytes('abc')], /3 bytes, and 4 to 256/],
    ['a key that is too long', [int32(80_877_102), int32(1), new Uint8Array(257)], /257 bytes, and 4 to 256/],
  ])('to begin with is refused: %s', (_, parts, why) => {
    const body = Buffer.concat(parts)
    expect(() => decodeUntagged(body, 0, body.length)).toThrow(why)
  })
})

describe('what cannot be read as it was meant', () => {
  const refusal = expect.objectContaining({ code: 'bad_option' })

  test.each([
    ['a zero byte', 'secret\0 or not'],
    ['half of a pair', 'secret\ud83d or not'],
  ])('is not written, and not shown: %s in a string', (_, bad) => {
    for (const make of [
      () => encodeFrontend({ type: 'Query', query: bad }),
      () => encodeFrontend({ type: 'PasswordMessage', password: bad }),
      () => encodeFrontend({ type: 'Close', of: 'portal', name: bad }),
      () => encodeFrontend({ type: 'SASLInitialResponse', mechanism: bad, data: null }),
      () => encodeBackend({ type: 'CommandComplete', command: bad }),
      () => encodeUntaggedMessage({ type: 'StartupMessage', protocolVersion: 3 << 16, parameters: [['user', bad]] }),
    ]) {
      expect(make).toThrow(refusal)
      expect(make).not.toThrow('secret')
    }
  })

  test.each([
    [
      'a parameter without a name',
      () => encodeUntaggedMessage({ type: 'StartupMessage', protocolVersion: 3 << 16, parameters: [['', 'x']] }),
    ],
    ['a mechanism without a name', () => encodeBackend({ type: 'AuthenticationSASL', mechanisms: [''] })],
    ['a salt of 3 bytes', () => encodeBackend({ type: 'AuthenticationMD5Password', salt: new Uint8Array(3) })],
    ['a key of 3 bytes', () => encodeBackend({ type: 'BackendKeyData', processId: 1, secretKey: new Uint8Array(3) })],
    [
      'a key of 257',
      () => encodeUntaggedMessage({ type: 'CancelRequest', processId: 1, secretKey: new Uint8Array(257) }),
    ],
    [
      'more columns than a server reads',
      () => encodeBackend({ type: 'DataRow', values: new Array(0x8000).fill(null) }),
    ],
  ])('is not written: %s', (_, make) => expect(make).toThrow(refusal))
})
