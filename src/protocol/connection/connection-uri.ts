import { WalwireError } from '../messages/errors.ts'

/**
 * Takes a connection URI apart into libpq's keywords, as libpq does it (a URL parser would change the case of a host,
 * drop an empty port and trip over a socket's folder).
 *
 * `postgresql://[user[:password]@][host][:port][,host…][/dbname][?keyword=value&…]`, every part percent-decoded. Errors
 * never quote the URI: its parts may be a password.
 *
 * @returns keywords as they were named, not checked against what is known; several hosts and ports comma-separated
 * @throws {WalwireError} `bad_connection` when it is malformed
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function parseConnectionUri(uri: string): Map<string, string> {
  const scheme = /^(?:postgresql|postgres):\/\//.exec(uri)
  if (!scheme) throw malformed('it does not begin with postgres:// or postgresql://')
  const values = new Map<string, string>()
  let rest = uri.slice(scheme[0].length)

  const question = rest.indexOf('?')
  const query = question < 0 ? undefined : rest.slice(question + 1)
  if (question >= 0) rest = rest.slice(0, question)

  // libpq: everything up to the first @, if no slash comes before it
  const credentials = /^([^@/]*)@/.exec(rest)?.[1]
  if (credentials !== undefined) {
    rest = rest.slice(credentials.length + 1)
    const colon = credentials.indexOf(':')
    set(values, 'user', decode(colon < 0 ? credentials : credentials.slice(0, colon), 'the user'))
    if (colon >= 0) set(values, 'password', decode(credentials.slice(colon + 1), 'the password'))
  }

  const slash = rest.indexOf('/')
  // These would be read otherwise than they were meant, and then shown: half of a password as host or database.
  if ((slash < 0 ? rest : rest.slice(0, slash)).includes('@')) {
    throw malformed('there is more than one @; one in a user or password is written %40')
  }
  if (credentials === undefined && slash >= 0 && rest.includes('@', slash)) {
    throw malformed('an @ stands behind a slash; a / in a user or password is written %2F, an @ in a database %40')
  }
  if (credentials === undefined && query?.includes('@')) {
    throw malformed('an @ stands behind a question mark; a ? in a user or password is written %3F, an @ in a value %40')
  }
  if (slash >= 0) set(values, 'dbname', decode(rest.slice(slash + 1), 'the database'))
  parseAuthority(slash < 0 ? rest : rest.slice(0, slash), values)
  if (query !== undefined) parseQuery(query, values)
  return values
}

/** Hosts with or without a port, comma-separated. They become two lists of as many, with nothing where nothing is given. */
function parseAuthority(authority: string, values: Map<string, string>): void {
  const pairs = authority.split(',').map(parseHostAndPort)
  set(values, 'host', decode(pairs.map(({ host }) => host).join(','), 'the host'))
  set(values, 'port', decode(pairs.map(({ port }) => port).join(','), 'the port'))
}

/** `host`, `host:port`, `[IPv6 address]:port`, or nothing; not decoded. */
function parseHostAndPort(text: string): { host: string; port: string } {
  const bracketed = /^\[([^\]]*)\](.*)$/s.exec(text)
  if (bracketed) {
    const host = bracketed[1] ?? ''
    const after = bracketed[2] ?? ''
    if (host === '') throw malformed('the brackets for an IPv6 address are empty')
    if (after !== '' && !after.startsWith(':'))
      throw malformed('something other than a port stands behind the bracket ]')
    return { host, port: after.slice(1) }
  }
  if (text.startsWith('[')) throw malformed('the bracket [ of an IPv6 address is not closed')
  const colon = text.indexOf(':')
  return colon < 0 ? { host: text, port: '' } : { host: text.slice(0, colon), port: text.slice(colon + 1) }
}

function parseQuery(query: string, values: Map<string, string>): void {
  if (query === '') return
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=')
    if (equals < 0) throw malformed('a parameter behind the question mark has no = and no value')
    if (pair.includes('=', equals + 1)) throw malformed('a parameter behind the question mark has more than one =')
    const keyword = decode(pair.slice(0, equals), 'a keyword')
    const value = decode(pair.slice(equals + 1), 'the value of a keyword')
    // JDBC's spelling, which libpq takes too
    if (keyword === 'ssl' && value === 'true') values.set('sslmode', 'require')
    else values.set(keyword, value)
  }
}

/** An empty part is one that is not there; libpq's defaults fill it. */
function set(values: Map<string, string>, keyword: string, value: string): void {
  if (value !== '') values.set(keyword, value)
}

function decode(text: string, name: string): string {
  let decoded: string
  try {
    decoded = decodeURIComponent(text)
  } catch {
    throw malformed(`${name} has a % that is not followed by two hexadecimal digits, or bytes that are not UTF-8`)
  }
  if (decoded.includes('\0')) throw malformed(`${name} contains a zero byte (%00)`)
  return decoded
}

function malformed(why: string): WalwireError {
  return new WalwireError('bad_connection', {
    what: 'the connection URI cannot be read',
    why,
    hint: 'write postgres://user:password@host:port/dbname?keyword=value, with %XX for special characters in each part',
  })
}
