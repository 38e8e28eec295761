import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { authenticationSasl, authenticationSaslContinue, authenticationSaslFinal } from '../messages/server-messages.ts'
import type { Peer } from './fake-server.ts'

/** Where a server departs from the protocol. */
export interface ScramMischief {
  readonly mechanisms?: readonly string[]
  readonly serverFirst?: (clientNonce: string) => string
  readonly serverFinal?: (honest: string) => string
  /** After the client's proof: nothing more comes from here. */
  readonly skipFinal?: boolean
}

/** The server's side of SCRAM-SHA-256. @throws Error when the client does not know the password. */
export async function scram(peer: Peer, password: string, mischief: ScramMischief = {}): Promise<void> {
  const { mechanisms = ['SCRAM-SHA-256'], serverFinal = (honest) => honest } = mischief
  const salt = Buffer.from('salt and pepper')
  const iterations = 100
  peer.send(authenticationSasl(...mechanisms))
  const initial = (await peer.message()).body
  const clientFirst = initial.subarray(initial.indexOf(0) + 5).toString('utf8')
  const bare = clientFirst.replace(/^n,,/, '')
  const clientNonce = /r=(.*)$/.exec(bare)?.[1] ?? ''
  const honestFirst = `r=${clientNonce}SERVER,s=${salt.toString('base64')},i=${iterations}`
  const serverFirst = mischief.serverFirst?.(clientNonce) ?? honestFirst
  peer.send(authenticationSaslContinue(serverFirst))
  const final = (await peer.message()).body.toString('utf8')
  const [withoutProof = '', proof = ''] = final.split(',p=')
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const clientKey = hmac(salted, 'Client Key')
  const storedKey = createHash('sha256').update(clientKey).digest()
  const authMessage = `${bare},${serverFirst},${withoutProof}`
  const signature = hmac(storedKey, authMessage)
  const claimed = Buffer.from(proof, 'base64').map((byte, index) => byte ^ (signature[index] ?? 0))
  if (!Buffer.from(claimed).equals(clientKey)) throw new Error('the client does not know the password')
  if (mischief.skipFinal) return
  peer.send(
    authenticationSaslFinal(serverFinal(`v=${hmac(hmac(salted, 'Server Key'), authMessage).toString('base64')}`)),
  )
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
