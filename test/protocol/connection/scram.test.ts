import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ChannelBinding } from '../../../src/protocol/connection/channel-binding.ts'
import {
  clientFinal,
  clientFirst,
  maxScramIterations,
  readServerFirst,
  verifyServerFinal,
} from '../../../src/protocol/connection/scram.ts'

/** The exchange of RFC 7677 section 3. Its user name is in the first message; PostgreSQL's clients leave it empty. */
const rfc7677 = {
  nonce: 'rOprNGfwEbeRWgbNEkqO',
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
}

describe('SCRAM-SHA-256', () => {
  test('does the exchange of RFC 7677', async () => {
    const first = clientFirst(rfc7677.nonce, { kind: 'none' }, 'user')
    expect(first.message).toBe(rfc7677.clientFirst)
    const final = await clientFinal(readServerFirst(first, rfc7677.serverFirst), 'pencil')
    expect(final.message).toBe(rfc7677.clientFinal)
    expect(() => verifyServerFinal(final, rfc7677.serverFinal)).not.toThrow()
  })

  test.each<[ChannelBinding, string, string]>([
    [{ kind: 'none' }, 'n,,', 'n,,'],
    [{ kind: 'not-offered' }, 'y,,', 'y,,'],
    [
      { kind: 'tls-server-end-point', hash: Uint8Array.of(0, 0xff) },
      'p=tls-server-end-point,,',
      'p=tls-server-end-point,,\0\xff',
    ],
  ])(
    'says how it is bound to the channel, and repeats it under the signature: %j',
    async (binding, header, repeated) => {
      const first = clientFirst('nonce', binding)
      expect(first.message).toBe(`${header}n=,r=nonce`)
      const final = await clientFinal(readServerFirst(first, 'r=nonceX,s=AAAA,i=1'), 'password')
      const channel = /^c=([^,]*),r=nonceX,p=/.exec(final.message)?.[1]
      expect(Buffer.from(channel ?? '', 'base64').toString('latin1')).toBe(repeated)
    },
  )

  test('is accepted by a server that follows the RFC, for any password and salt', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1 }),
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 20 }),
        async (password, salt, iterations) => {
          const first = clientFirst('nonce')
          const serverFirst = `r=nonceMORE,s=${Buffer.from(salt).toString('base64')},i=${iterations}`
          const final = await clientFinal(readServerFirst(first, serverFirst), password)
          const [, proof = ''] = /p=(.*)$/.exec(final.message) ?? []
          // what a server stores, and how it checks
          const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
          const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest()
          const authMessage = `n=,r=nonce,${serverFirst},c=biws,r=nonceMORE`
          const signature = hmac(storedKey, authMessage)
          const clientKey = Buffer.from(proof, 'base64').map((byte, index) => byte ^ (signature[index] ?? 0))
          expect(createHash('sha256').update(clientKey).digest()).toEqual(storedKey)
          const verifier = hmac(hmac(salted, 'Server Key'), authMessage).toString('base64')
          expect(() => verifyServerFinal(final, `v=${verifier}`)).not.toThrow()
        },
      ),
      { numRuns: 50 },
    )
  })

  test('derives its key without stopping the event loop', async () => {
    const first = clientFirst('nonce')
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await clientFinal(readServerFirst(first, 'r=nonceMORE,s=AAAA,i=400000'), 'password')
    clearInterval(timer)
    expect(turns).toBeGreaterThan(1)
  })

  const first = clientFirst('nonce')
  const failed = (why: RegExp) => expect.objectContaining({ code: 'auth_failed', why: expect.stringMatching(why) })

  test.each([
    ['a nonce that does not begin with the client’s', 'r=other,s=AAAA,i=4096', /nonce/],
    ['the client’s nonce with nothing added', 'r=nonce,s=AAAA,i=4096', /nonce/],
    ['no iterations', 'r=nonceX,s=AAAA,i=0', /r=nonce,s=salt/],
    ['negative iterations', 'r=nonceX,s=AAAA,i=-1', /r=nonce,s=salt/],
    ['2^31 iterations', 'r=nonceX,s=AAAA,i=2147483648', /at most 10000000/],
    ['more iterations than a number holds', `r=nonceX,s=AAAA,i=1${'0'.repeat(400)}`, /at most/],
    ['an empty salt', 'r=nonceX,s=,i=4096', /r=nonce,s=salt/],
    ['a salt that is not base64', 'r=nonceX,s=?,i=4096', /r=nonce,s=salt/],
    ['a mandatory extension', 'm=x,r=nonceX,s=AAAA,i=4096', /m=/],
    ['something else', 'hello', /r=nonce,s=salt/],
    ['its own error', 'e=invalid-encoding', /invalid-encoding/],
  ])('refuses a server that sends %s', (_, message, why) =>
    expect(() => readServerFirst(first, message)).toThrow(failed(why)),
  )

  test('takes the most iterations that are allowed, and ignores extensions that are optional', () => {
    const challenge = readServerFirst(first, `r=nonceX,s=AAAA,i=${maxScramIterations},x=optional`)
    expect(challenge.iterations).toBe(maxScramIterations)
  })

  test.each([
    ['a wrong signature', `v=${Buffer.alloc(32).toString('base64')}`, /does not know the password/],
    ['a short signature', 'v=AAAA', /does not know the password/],
    ['none', 'v=', /not v=signature/],
    ['an error', 'e=invalid-proof', /invalid-proof/],
  ])('refuses a server that ends with %s', async (_, message, why) => {
    const final = await clientFinal(readServerFirst(first, 'r=nonceX,s=AAAA,i=1'), 'password')
    expect(() => verifyServerFinal(final, message)).toThrow(failed(why))
  })
})

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
