import { isIP } from 'node:net'
import { checkServerIdentity, type ConnectionOptions as TlsOptions } from 'node:tls'
import { WalwireError } from '../messages/errors.ts'
import type { KeywordName } from './connection-keywords.ts'
import type { SslMode } from './connection-options.ts'
import { bad, type ConnectionValues } from './connection-values.ts'

/** What TLS is decided from. File contents, not paths: reading is done before. */
export interface TlsWishes {
  readonly sslmode: Exclude<SslMode, 'disable'>
  /** The name that the caller gave the server, or undefined where only an address or a stream was given. */
  readonly host: string | undefined
  readonly sni: boolean
  /** PEM text; `system` for those that Node trusts; undefined where there is no file. */
  readonly roots: string | undefined
  readonly certificate: string | undefined
  readonly key: string | undefined
  readonly passphrase: string | undefined
  readonly minVersion: TlsOptions['minVersion']
  readonly maxVersion: TlsOptions['maxVersion']
  /** The caller's own, laid over the rest. */
  readonly tls: TlsOptions | undefined
}

/** Which sslmode holds when none was given. */
export function defaultSslMode(given: {
  readonly tls: TlsOptions | undefined
  readonly sslrootcert: string | undefined
  readonly connect: unknown
}): SslMode {
  if (given.tls !== undefined) return given.tls.rejectUnauthorized === false ? 'require' : 'verify-full'
  if (given.sslrootcert === 'system') return 'verify-full'
  return given.connect === undefined ? 'prefer' : 'disable'
}

/**
 * Turns an sslmode into what Node's TLS is told. What each checks:
 *
 * | sslmode | certificate's chain | its name |
 * |---|---|---|
 * | prefer, require | only if there are roots to check with (libpq's rule) | no |
 * | verify-ca | yes | no |
 * | verify-full | yes | yes |
 *
 * @throws {WalwireError} `bad_connection` when the sslmode's promise cannot be kept
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION
 */
export function tlsOptions(wishes: TlsWishes): TlsOptions {
  const { sslmode, tls: own } = wishes
  const verifies = sslmode === 'verify-ca' || sslmode === 'verify-full'
  const hasRoots = wishes.roots !== undefined || own?.ca !== undefined || own?.secureContext !== undefined

  if (verifies && own?.rejectUnauthorized === false) {
    throw bad(
      `sslmode ${sslmode} checks the certificate, and tls.rejectUnauthorized: false asks not to`,
      'leave rejectUnauthorized out, or write sslmode=require',
    )
  }
  if (wishes.roots === 'system' && sslmode !== 'verify-full') {
    // anybody can have a certificate from a public authority, so the name must be checked too; libpq's rule
    throw bad(`sslrootcert=system is not allowed with sslmode ${sslmode}`, 'write sslmode=verify-full')
  }
  if (verifies && !hasRoots && own === undefined) {
    throw bad(
      `sslmode ${sslmode} has no root certificate to check with: sslrootcert is not given and ~/.postgresql/root.crt does not exist`,
      'give sslrootcert=FILE, or sslrootcert=system for the roots that Node trusts, or tls: { ca } in the program',
    )
  }
  const name = own?.servername ?? wishes.host
  const checksName = sslmode === 'verify-full' || (!verifies && own?.rejectUnauthorized === true)
  if (checksName && name === undefined && own?.checkServerIdentity === undefined) {
    throw bad(`sslmode ${sslmode} checks the host's name, and none is given`, 'give host, or tls: { servername }')
  }

  const options: TlsOptions = {
    ...(wishes.roots === undefined || wishes.roots === 'system' ? {} : { ca: wishes.roots }),
    ...(wishes.certificate === undefined ? {} : { cert: wishes.certificate }),
    ...(wishes.key === undefined ? {} : { key: wishes.key }),
    ...(wishes.passphrase === undefined ? {} : { passphrase: wishes.passphrase }),
    ...(wishes.minVersion === undefined ? {} : { minVersion: wishes.minVersion }),
    ...(wishes.maxVersion === undefined ? {} : { maxVersion: wishes.maxVersion }),
    ...(wishes.sni && wishes.host !== undefined && isIP(wishes.host) === 0 ? { servername: wishes.host } : {}),
    ...own,
    rejectUnauthorized: verifies || (own?.rejectUnauthorized ?? hasRoots),
    // Node takes the name from the servername, which is not there without SNI; the name to check is ours to say
    checkServerIdentity: checksName
      ? (own?.checkServerIdentity ?? ((_host, certificate) => checkServerIdentity(name ?? '', certificate)))
      : () => undefined,
  }
  return options
}

const versions = new Map<string, NonNullable<TlsOptions['minVersion']>>([
  ['tlsv1', 'TLSv1'],
  ['tlsv1.1', 'TLSv1.1'],
  ['tlsv1.2', 'TLSv1.2'],
  ['tlsv1.3', 'TLSv1.3'],
])

/** @throws {WalwireError} `bad_connection` for a name that is no version of TLS */
export function tlsVersion(keyword: KeywordName, values: ConnectionValues): TlsOptions['minVersion'] {
  const text = values.text.get(keyword)
  if (text === undefined) return undefined
  const version = versions.get(text.toLowerCase())
  if (version === undefined) throw bad(`${keyword} is ${values.shown(text)}`, 'write TLSv1.2 or TLSv1.3')
  return version
}

/** @throws {WalwireError} `bad_connection`, `unsupported_option` for `allow` */
export function checkedSslMode(text: string, { shown }: ConnectionValues): SslMode {
  switch (text) {
    case 'disable':
    case 'prefer':
    case 'require':
    case 'verify-ca':
    case 'verify-full':
      return text
    case 'allow':
      throw new WalwireError('unsupported_option', {
        what: 'the sslmode allow cannot be obeyed',
        why: 'this is not supported: trying without TLS first protects from nothing',
        hint: 'write prefer, require or, best, verify-full',
      })
    default:
      throw bad(`the sslmode ${shown(text)} is not known`, 'write disable, prefer, require, verify-ca or verify-full')
  }
}
