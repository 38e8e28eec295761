import type { Duplex } from 'node:stream'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { WalwireError } from '../messages/errors.ts'
import { isKeyword, type Keyword, type KeywordName, keywords, misnomers } from './connection-keywords.ts'
import type { ConnectionInput } from './connection-options.ts'
import { parseConnectionUri } from './connection-uri.ts'

/** What was given, by keyword, from the input and then from the environment; every keyword known and supported. */
export interface ConnectionValues {
  readonly text: ReadonlyMap<KeywordName, string>
  readonly password: (() => string | Promise<string>) | undefined
  readonly tls: TlsOptions | undefined
  readonly connect: (() => Promise<Duplex>) | undefined
  /**
   * A value in quotes, for an error. Nothing of a URI is shown: a password in which a ? was not encoded is taken apart
   * into keywords and values.
   */
  readonly shown: (value: string) => string
}

/**
 * Collects what was given. A keyword that is given but empty counts as missing where that is libpq's rule (a host, a
 * user …), and is malformed where a choice is expected.
 *
 * @throws {WalwireError} `bad_connection`, `unsupported_option`
 */
export function connectionValues(
  input: ConnectionInput | undefined,
  env: Readonly<Record<string, string | undefined>>,
): ConnectionValues {
  const text = new Map<KeywordName, string>()
  let password: ConnectionValues['password']
  let tls: TlsOptions | undefined
  let connect: ConnectionValues['connect']
  const shown =
    typeof input === 'string'
      ? (value: string) => (value === '' ? '""' : '"…"')
      : (value: string) => JSON.stringify(value)

  for (const [name, value] of typeof input === 'string' ? parseConnectionUri(input) : Object.entries(input ?? {})) {
    if (value === undefined) continue
    if (typeof input === 'object' && name === 'tls') tls = input.tls
    else if (typeof input === 'object' && name === 'connect') connect = input.connect
    else if (typeof input === 'object' && name === 'password' && typeof input.password === 'function') {
      password = input.password
    } else if (typeof value === 'string' || typeof value === 'number') {
      store(text, checkedName(name, shown), String(value), `the keyword ${name}`)
    } else {
      checkedName(name, shown)
      throw bad(`the keyword ${name} is neither a text nor a number`, 'write it as the documentation of libpq does')
    }
  }

  for (const [name, keyword] of Object.entries<Keyword>(keywords)) {
    const value = keyword.env === undefined ? undefined : env[keyword.env]
    if (value === undefined || value === '' || !isKeyword(name) || text.has(name)) continue
    if (name === 'password' && password !== undefined) continue
    store(text, name, value, `the environment variable ${keyword.env}`)
  }
  return { text, password, tls, connect, shown }
}

function checkedName(name: string, shown: ConnectionValues['shown']): KeywordName {
  if (isKeyword(name)) return name
  const meant = misnomers.get(name)
  throw bad(
    `the keyword ${meant === undefined ? shown(name) : JSON.stringify(name)} is not known`,
    meant === undefined
      ? "use libpq's keywords: host, port, dbname, user, password, sslmode …; a ? in a URI's password is written %3F"
      : `write ${meant}`,
  )
}

function store(text: Map<KeywordName, string>, name: KeywordName, value: string, source: string): void {
  const keyword: Keyword = keywords[name]
  if (value.includes('\0')) throw bad(`${source} contains a zero byte`, 'remove it')
  if (keyword.supported) {
    text.set(name, value)
    return
  }
  if (keyword.onlyValues?.includes(value)) {
    // kept, so that the environment is not asked for it
    text.set(name, value)
    return
  }
  const instead = keyword.onlyValues?.length ? `leave it out or write ${keyword.onlyValues[0]}` : 'leave it out'
  throw new WalwireError('unsupported_option', {
    what: `${source} cannot be obeyed`,
    why: `this is not supported: ${keyword.reason ?? 'it is not implemented'}`,
    hint: instead,
  })
}

/** The error for something that is wrong with what was given. */
export function bad(why: string, hint: string, cause?: unknown): WalwireError {
  return new WalwireError('bad_connection', { what: 'the connection cannot be made like this', why, hint, cause })
}
