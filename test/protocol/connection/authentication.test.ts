import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  type AuthenticationMethod,
  authenticate,
  type Credentials,
  unauthenticated,
} from '../../../src/protocol/connection/authentication.ts'
import { clientFirst } from '../../../src/protocol/connection/scram.ts'
import type { AuthenticationMessage } from '../../../src/protocol/messages/authentication-messages.ts'

function credentials(password: string | undefined, accepted?: readonly AuthenticationMethod[]): Credentials {
  return {
    user: 'ada',
    password: async () => password,
    accepted: accepted === undefined ? undefined : new Set(accepted),
    channelBinding: 'prefer',
    endPoint: undefined,
  }
}

const sent = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('latin1')

describe('authentication', () => {
  test('by trust sends nothing', async () => {
    const step = await authenticate(unauthenticated, { type: 'AuthenticationOk' }, credentials('x'))
    expect(step).toEqual({ state: { step: 'done' }, send: undefined })
  })

  test('by password sends it as it is', async () => {
    const step = await authenticate(unauthenticated, { type: 'AuthenticationCleartextPassword' }, credentials('secret'))
    expect(sent(step.send)).toBe('p\0\0\0\x0bsecret\0')
    expect((await authenticate(step.state, { type: 'AuthenticationOk' }, credentials('x'))).state.step).toBe('done')
  })

  test('by MD5 sends the hash of the hash', async () => {
    const md5 = (text: string): string => createHash('md5').update(text, 'latin1').digest('hex')
    const salt = Uint8Array.of(1, 2, 0xff, 4)
    const step = await authenticate(unauthenticated, { type: 'AuthenticationMD5Password', salt }, credentials('secret'))
    expect(sent(step.send).slice(5)).toBe(`md5${md5(`${md5('secretada')}\x01\x02\xff\x04`)}\0`)
  })

  test('asks for the password only when the server does, and once', async () => {
    let asked = 0
    const counting = {
      ...credentials('x'),
      password: async () => {
        asked++
        return 'x'
      },
    }
    await authenticate(unauthenticated, { type: 'AuthenticationOk' }, counting)
    expect(asked).toBe(0)
    const mechanisms = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']
    const begun = await authenticate(unauthenticated, { type: 'AuthenticationSASL', mechanisms }, counting)
    const data = `r=${begun.state.step === 'scram-first-sent' ? begun.state.first.nonce : ''}X,s=AAAA,i=1`
    await authenticate(begun.state, { type: 'AuthenticationSASLContinue', data }, counting)
    expect(asked).toBe(1)
  })

  test('has a nonce of its own each time', async () => {
    const begin = async (): Promise<string> =>
      sent(
        (
          await authenticate(
            unauthenticated,
            { type: 'AuthenticationSASL', mechanisms: ['SCRAM-SHA-256'] },
            credentials('x'),
          )
        ).send,
      )
    const [a, b] = [await begin(), await begin()]
    expect(a).toMatch(/n,,n=,r=[A-Za-z0-9+/]{24}$/)
    expect(a).not.toBe(b)
  })

  test.each<[string, AuthenticationMessage, string]>([
    ['Kerberos', { type: 'AuthenticationKerberosV5' }, 'Kerberos'],
    ['GSSAPI', { type: 'AuthenticationGSS' }, 'GSSAPI'],
    ['SSPI', { type: 'AuthenticationSSPI' }, 'SSPI'],
    ['SCM credentials', { type: 'AuthenticationSCMCredential' }, 'SCM'],
    ['OAuth', { type: 'AuthenticationSASL', mechanisms: ['OAUTHBEARER'] }, 'OAUTHBEARER'],
    ['only channel binding', { type: 'AuthenticationSASL', mechanisms: ['SCRAM-SHA-256-PLUS'] }, 'SCRAM-SHA-256-PLUS'],
    ['no mechanism', { type: 'AuthenticationSASL', mechanisms: [] }, 'SASL'],
  ])('refuses %s by name', async (_, message, name) => {
    await expect(authenticate(unauthenticated, message, credentials('x'))).rejects.toMatchObject({
      code: 'auth_unsupported',
      why: expect.stringContaining(name),
    })
  })

  test.each([undefined, ''])('says where a password can come from when it is %j', async (password) => {
    const asked = authenticate(unauthenticated, { type: 'AuthenticationCleartextPassword' }, credentials(password))
    await expect(asked).rejects.toMatchObject({
      code: 'auth_failed',
      hint: expect.stringMatching(/PGPASSWORD.*pgpass/),
    })
  })

  test('keeps the error of a function that gives the password as the cause', async () => {
    const cause = new Error('no token today')
    const failing = { ...credentials('x'), password: () => Promise.reject(cause) }
    const asked = authenticate(unauthenticated, { type: 'AuthenticationCleartextPassword' }, failing)
    await expect(asked).rejects.toMatchObject({ code: 'auth_failed', cause })
  })

  test.each<[AuthenticationMessage, AuthenticationMethod]>([
    [{ type: 'AuthenticationOk' }, 'none'],
    [{ type: 'AuthenticationCleartextPassword' }, 'password'],
    [{ type: 'AuthenticationMD5Password', salt: new Uint8Array(4) }, 'md5'],
    [{ type: 'AuthenticationSASL', mechanisms: ['SCRAM-SHA-256'] }, 'scram-sha-256'],
  ])('obeys require_auth before a password is given out: %j', async (message, method) => {
    const others = (['none', 'password', 'md5', 'scram-sha-256'] as const).filter((other) => other !== method)
    await expect(authenticate(unauthenticated, message, credentials('x', [method]))).resolves.toBeDefined()
    const refused = { ...credentials('x', others), password: () => Promise.reject(new Error('must not be asked')) }
    await expect(authenticate(unauthenticated, message, refused)).rejects.toMatchObject({
      code: 'auth_failed',
      why: expect.stringContaining('require_auth'),
    })
  })

  const endPoint = Uint8Array.of(1, 2, 3)
  const both = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']
  const alone = ['SCRAM-SHA-256']

  test.each<[string, Partial<Credentials>, string[], string]>([
    ['binds to the channel where both can', { endPoint }, both, 'SCRAM-SHA-256-PLUS p=tls-server-end-point,,'],
    ['or must', { endPoint, channelBinding: 'require' }, both, 'SCRAM-SHA-256-PLUS p=tls-server-end-point,,'],
    ['says that it could, where the server does not offer it', { endPoint }, alone, 'SCRAM-SHA-256 y,,'],
    ['says that it does not, without TLS', {}, both, 'SCRAM-SHA-256 n,,'],
    ['or when it is told not to', { endPoint, channelBinding: 'disable' }, both, 'SCRAM-SHA-256 n,,'],
  ])('%s', async (_, given, mechanisms, begin) => {
    const step = await authenticate(
      unauthenticated,
      { type: 'AuthenticationSASL', mechanisms },
      { ...credentials('x'), ...given },
      () => 'nonce',
    )
    const [mechanism, response] = begin.split(' ')
    const first = `${response}n=,r=nonce`
    expect(sent(step.send).slice(5)).toBe(`${mechanism}\0\0\0\0${String.fromCharCode(first.length)}${first}`)
  })

  test.each<[string, AuthenticationMessage, Uint8Array | undefined]>([
    ['nothing', { type: 'AuthenticationOk' }, endPoint],
    ['a password', { type: 'AuthenticationCleartextPassword' }, endPoint],
    ['MD5', { type: 'AuthenticationMD5Password', salt: new Uint8Array(4) }, endPoint],
    ['SCRAM without it', { type: 'AuthenticationSASL', mechanisms: alone }, endPoint],
    ['SCRAM without TLS', { type: 'AuthenticationSASL', mechanisms: both }, undefined],
  ])('with channel_binding=require never gives a password for %s', async (_, message, hash) => {
    const demanding: Credentials = {
      ...credentials('x'),
      password: () => Promise.reject(new Error('must not be asked')),
      channelBinding: 'require',
      endPoint: hash,
    }
    await expect(authenticate(unauthenticated, message, demanding)).rejects.toMatchObject({
      code: 'auth_failed',
      why: expect.stringContaining('channel_binding'),
    })
  })

  const scramBegun = { step: 'scram-first-sent', first: clientFirst('n'), password: 'x' } as const
  const scramSent = {
    step: 'scram-final-sent',
    final: { message: '', serverSignature: new Uint8Array(32), bound: false },
  } as const

  test.each([
    ['AuthenticationOk in the middle of SCRAM', scramBegun, { type: 'AuthenticationOk' }],
    ['AuthenticationOk before SCRAM’s final message', scramSent, { type: 'AuthenticationOk' }],
    ['a second request in the middle of SCRAM', scramBegun, { type: 'AuthenticationCleartextPassword' }],
    ['a request after the password', { step: 'password-sent' }, { type: 'AuthenticationCleartextPassword' }],
    ['a final message first', unauthenticated, { type: 'AuthenticationSASLFinal', data: 'v=' }],
    ['a challenge first', unauthenticated, { type: 'AuthenticationSASLContinue', data: '' }],
    ['a second challenge', scramSent, { type: 'AuthenticationSASLContinue', data: '' }],
    ['AuthenticationOk twice', { step: 'done' }, { type: 'AuthenticationOk' }],
  ] as const)('refuses %s', async (_, state, message) => {
    await expect(authenticate(state, message, credentials('x'))).rejects.toMatchObject({ code: 'auth_failed' })
  })
})
