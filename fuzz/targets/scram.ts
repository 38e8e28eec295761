import { createHmac, pbkdf2Sync } from 'node:crypto'
import {
  type AuthenticationState,
  authenticate,
  unauthenticated,
} from '../../src/protocol/connection/authentication.ts'
import { saslprep } from '../../src/protocol/connection/saslprep.ts'
import { decodeAuthentication } from '../../src/protocol/messages/authentication-messages.ts'
import { Reader } from '../../src/protocol/messages/reader.ts'
import { backendTag } from '../../src/protocol/messages/tags.ts'
import { type Frame, framesOf, growFrames, mutateFrames, streamOf } from '../frames.ts'
import { withInt32 } from '../mutate.ts'
import { demand, type Target } from '../target.ts'

const nonce = 'clientnonce'
const password = 'pencil'
/** More of them is the server's right up to ten million, and only slow. */
const mostIterations = 64

/** What a server says while somebody logs in, step by step. */
export const scramTarget: Target = {
  name: 'scram',
  about: 'authentication against any server: nobody gets in who does not prove that the password is known',
  seeds: () => [
    streamOf([sasl, serverFirst(4), serverFinal(4), authentication(0)]),
    streamOf([authentication(10, 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'), serverFirst(1), serverFinal(1)]),
    streamOf([sasl, authentication(11, 'e=other-error')]),
    streamOf([sasl, authentication(11, `m=x,r=${nonce}b,s=QQ==,i=1`)]),
    streamOf([sasl, authentication(11, `r=${nonce}b,s=QQ==,i=1,x=future`), authentication(12, 'e=invalid-proof')]),
    streamOf([authentication(0)]),
    streamOf([authentication(3), authentication(0)]),
    streamOf([authentication(5, 'salt'), authentication(0)]),
    ...[2, 6, 7, 8, 9, 13].map((kind) => streamOf([authentication(kind)])),
    new TextEncoder().encode('pass\u00a0word \u2168 \u0627\u0031'),
  ],
  words: ['r=', ',s=', ',i=', 'v=', 'e=', 'm=', nonce, '=', 'SCRAM-SHA-256\0', 'SCRAM-SHA-256-PLUS\0', '1', '64'],
  mutate: mutateFrames,
  grow: growFrames,
  // each message becomes a state, a salted password and a signature
  mayAllocate: (bytes) => 4000 * bytes,
  async run(input) {
    saslprep(new TextDecoder().decode(input))
    let state: AuthenticationState = unauthenticated
    let proven = ''
    for (const { tag, body } of framesOf(input).frames) {
      if (tag !== backendTag.Authentication) continue
      const message = decodeAuthentication(new Reader(body, 0, body.length, 'Authentication'))
      if (message.type === 'AuthenticationSASLContinue') {
        const iterations = /,i=(\d+)/.exec(message.data)?.[1]
        if (iterations !== undefined && Number(iterations) > mostIterations) return
      }
      if (state.step === 'scram-final-sent') proven = Buffer.from(state.final.serverSignature).toString('base64')
      const before = state.step
      const step = await authenticate(state, message, credentials, () => nonce)
      state = step.state
      if (state.step === 'scram-verified') {
        demand(before === 'scram-final-sent', `SCRAM is done after ${before}`)
        demand(Buffer.from(body).includes(`v=${proven}`), 'the server did not sign, and is believed')
      }
      if (state.step === 'done')
        demand(before === 'scram-verified', `a server that wants SCRAM gets in after ${before}`)
    }
  },
}

const credentials = {
  user: 'somebody',
  password: () => Promise.resolve(password),
  accepted: new Set(['scram-sha-256'] as const),
  channelBinding: 'prefer',
  endPoint: undefined,
} as const

/** `R`: Int32 kind, and what the kind has. */
function authentication(kind: number, data = ''): Frame {
  const text = new TextEncoder().encode(data)
  const body = new Uint8Array(4 + text.length)
  body.set(withInt32(body, 0, kind).subarray(0, 4))
  body.set(text, 4)
  return { tag: backendTag.Authentication, body }
}

const sasl = authentication(10, 'SCRAM-SHA-256\0\0')

function challenge(iterations: number): string {
  return `r=${nonce}andservers,s=${Buffer.from('salt').toString('base64')},i=${iterations}`
}

function serverFirst(iterations: number): Frame {
  return authentication(11, challenge(iterations))
}

/** The signature of an honest server (RFC 5802, section 3). */
function serverFinal(iterations: number): Frame {
  const salted = pbkdf2Sync(password, 'salt', iterations, 32, 'sha256')
  const withoutProof = `c=${Buffer.from('n,,').toString('base64')},r=${nonce}andservers`
  const signed = `n=,r=${nonce},${challenge(iterations)},${withoutProof}`
  const serverKey = createHmac('sha256', salted).update('Server Key').digest()
  const signature = createHmac('sha256', serverKey).update(signed).digest('base64')

  return authentication(12, `v=${signature}`)
}
