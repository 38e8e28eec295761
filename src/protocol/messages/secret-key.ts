import type { Reader } from './reader.ts'
import { refuse } from './writer.ts'

/** A key takes what remains of a message. */
export function readSecretKey(reader: Reader): Uint8Array {
  const length = reader.remaining
  const secretKey = reader.bytes(length, 'secret key')
  if (length < 4 || length > 256) reader.fail(`the secret key has ${length} bytes, and 4 to 256 are allowed`)
  return secretKey
}

/** @throws {WalwireError} `bad_option` for a key that {@link readSecretKey} would refuse */
export function checkSecretKey({ length }: Uint8Array): void {
  if (length < 4 || length > 256) refuse(`the secret key has ${length} bytes, and 4 to 256 are allowed`)
}
