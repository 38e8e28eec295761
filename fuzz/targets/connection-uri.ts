import { parseConnectionUri } from '../../src/protocol/connection/connection-uri.ts'
import { resolveConnection } from '../../src/protocol/connection/resolve-connection.ts'
import type { Surroundings } from '../../src/protocol/connection/surroundings.ts'
import { WalwireError } from '../../src/protocol/messages/errors.ts'
import { demand, type Target } from '../target.ts'

/** Connection URIs, and what becomes of their keywords. */
export const connectionUriTarget: Target = {
  name: 'connection-uri',
  about: 'connection URIs and their keywords: a connection, or an error that does not show the password',
  seeds: () =>
    [
      'postgres://user:hunter2hunter2@host:5432/dbname?sslmode=require&application_name=a',
      'postgresql://',
      'postgres://%2Fvar%2Frun:6543/db',
      'postgres://[::1]:5432/db?connect_timeout=10&keepalives_idle=30',
      'postgres:///db?host=/tmp&user=u&passfile=/p',
      'postgres://u:p%40ss@h/d?options=-c%20geqo%3Doff&channel_binding=require',
      'postgres://h?sslmode=verify-full&sslrootcert=system&ssl_min_protocol_version=TLSv1.2&sslsni=0',
      'postgres://h?require_auth=!md5,!password&sslcert=/c&sslkey=/k&sslpassword=x&hostaddr=127.0.0.1',
      'postgres://a,b:1,2/d',
      'postgres://u:p@ss@h/d',
      'postgres://h?ssl=true&keepalives=0&fallback_application_name=f&requiressl=1',
    ].map((uri) => new TextEncoder().encode(uri)),
  words: [
    'postgres://',
    '@',
    ':',
    '/',
    '?',
    '&',
    '=',
    '%',
    '%00',
    '%2F',
    '[',
    ']',
    ',',
    '::1',
    'sslmode=',
    'port=',
    'host=',
  ],
  // what is decoded, and an error, for each of the keywords
  mayAllocate: (bytes) => 400 * bytes,
  hasOffsets: false,
  async run(input) {
    const uri = new TextDecoder().decode(input)
    const secret = /^postgres(?:ql)?:\/\/[^@/?:]*:([A-Za-z]*[0-9][A-Za-z0-9]{7,})@/.exec(uri)?.[1]
    try {
      for (const [keyword, value] of parseConnectionUri(uri)) {
        demand(!value.includes('\0') && !keyword.includes('\0'), `${keyword} has a zero byte`)
      }
      const resolved = await resolveConnection(uri, nowhere)
      demand(
        secret === undefined || uri.split(secret).length > 2 || !resolved.description.includes(secret),
        'the description shows the password',
      )
    } catch (error) {
      if (error instanceof WalwireError && secret !== undefined && uri.split(secret).length === 2) {
        demand(![error.message, error.hint].join().includes(secret), 'the error shows the password')
      }
      throw error
    }
  },
}

const nowhere: Surroundings = {
  env: {},
  platform: 'linux',
  userName: () => 'somebody',
  homeDirectory: () => '/home/somebody',
  file: (path) =>
    Promise.resolve(
      path === '/p' || path.endsWith('.pgpass') ? { text: 'h:*:*:*:secret', plain: true, exposed: false } : undefined,
    ),
  isSocket: () => Promise.resolve(false),
}
