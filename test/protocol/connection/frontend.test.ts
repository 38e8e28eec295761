import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  cancelRequest,
  copyDoneMessage,
  copyFailMessage,
  passwordMessage,
  queryMessage,
  saslInitialResponse,
  saslResponse,
  sslRequest,
  startupMessage,
  terminateMessage,
} from '../../../src/protocol/connection/frontend.ts'
import { bytes, cstring, int32, message } from '../messages/server-messages.ts'

const plain = (array: Uint8Array): number[] => [...array]
const text = fc.string({ unit: 'binary' }).filter((raw) => !raw.includes('\0'))

describe('what a client sends', () => {
  test('is laid out as documented', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(plain(queryMessage(a))).toEqual(plain(message('Q', a)))
        expect(plain(passwordMessage(a))).toEqual(plain(message('p', a)))
        expect(plain(saslResponse(a))).toEqual(plain(message('p', bytes(a))))
        expect(plain(saslInitialResponse(a, b))).toEqual(plain(message('p', a, bytes(b).length, bytes(b))))
        expect(plain(copyFailMessage(a))).toEqual(plain(message('f', a)))
      }),
    )
    expect(plain(copyDoneMessage())).toEqual(plain(message('c')))
    expect(plain(terminateMessage())).toEqual(plain(message('X')))
    expect(plain(sslRequest())).toEqual([0, 0, 0, 8, 4, 210, 22, 47])
  })

  test('begins with a startup message that asks for UTF-8', () => {
    const body = Buffer.concat([
      int32(0x0003_0000),
      ...['user', 'ada', 'database', 'shop', 'client_encoding', 'UTF8', ''].map(cstring),
    ])
    expect(plain(startupMessage({ user: 'ada', database: 'shop' }))).toEqual(
      plain(Buffer.concat([int32(body.length + 4), body])),
    )
  })

  test('ends with a cancel request, whose key is as long as it was given', () => {
    expect(plain(cancelRequest(7, Uint8Array.of(0xff, 0, 0, 1)))).toEqual([
      ...[0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 7],
      ...[0xff, 0, 0, 1],
    ])
    expect(plain(cancelRequest(-1, Uint8Array.of(1, 2, 3, 4, 5)))).toEqual([
      ...[0, 0, 0, 17, 4, 210, 22, 46, 255, 255, 255, 255],
      ...[1, 2, 3, 4, 5],
    ])
  })

  test.each([
    ['a query', () => queryMessage('select 1\0; drop table t')],
    ['a password', () => passwordMessage('secret\0')],
    ['a SASL mechanism', () => saslInitialResponse('SCRAM\0', '')],
    ['a SASL response', () => saslResponse('\0')],
    ['a first SASL response', () => saslInitialResponse('SCRAM-SHA-256', 'n,,\0')],
    ['a reason to fail', () => copyFailMessage('\0')],
    ['the name of a parameter', () => startupMessage({ 'user\0': 'x' })],
    ['the value of a parameter', () => startupMessage({ user: 'x\0database\0postgres' })],
  ])('never has a zero byte in %s, and the error does not show the text', (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'bad_option' }))
    expect(make).not.toThrow('secret')
  })
})
