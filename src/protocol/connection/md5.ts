import { createHash } from 'node:crypto'

/**
 * The answer to AuthenticationMD5Password: `md5` and the hexadecimal MD5 of (the hexadecimal MD5 of password and user,
 * and the salt).
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export function md5Answer(user: string, password: string, salt: Uint8Array): string {
  const stored = md5(Buffer.from(password + user, 'utf8'))
  return `md5${md5(Buffer.concat([Buffer.from(stored, 'latin1'), salt]))}`
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}
