import { join } from 'node:path'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { AuthenticationMethod, ChannelBindingMode } from './authentication.ts'
import type { KeywordName } from './connection-keywords.ts'
import type {
  ConnectionInput,
  ResolvedConnection,
  ResolvedHost,
  SslMode,
  TargetSessionAttrs,
} from './connection-options.ts'
import { bad, type ConnectionValues, connectionValues } from './connection-values.ts'
import { endpointOf, type GivenHost, givenHosts, placeOf, socketPath } from './host-list.ts'
import { passwordFromFile } from './pgpass.ts'
import { type FoundFile, processSurroundings, type Surroundings } from './surroundings.ts'
import { checkedSslMode, defaultSslMode, tlsOptions, tlsVersion } from './tls-options.ts'

const defaultConnectTimeoutMs = 10_000
const maxTimerMs = 0x7fff_ffff
/** In seconds. The system's two hours are too long for the connections that are silent during a copy: NATs forget them. */
const defaultKeepalivesIdle = '60'

/** Where distributions and PostgreSQL's own build put the socket. The password file calls both `localhost`. */
const socketFolders = ['/var/run/postgresql', '/tmp']

/**
 * Fills in what a connection leaves open, in libpq's order: what was given, the PG* environment variables,
 * `~/.pgpass`, libpq's defaults (user: the operating system's; dbname: the user; host: a Unix socket if there is one,
 * else localhost; port 5432). A function of what it is given: the outside world comes in through `surroundings`.
 *
 * @throws {WalwireError} `bad_connection` for what is unknown or malformed, `unsupported_option` for what libpq can and
 * walwire cannot. Nothing is ever ignored.
 */
export async function resolveConnection(
  input?: ConnectionInput,
  surroundings: Surroundings = processSurroundings,
): Promise<ResolvedConnection> {
  const values = connectionValues(input, surroundings.env)
  const { text } = values
  const warnings: string[] = []
  const get = (name: KeywordName): string | undefined => text.get(name) || undefined

  const [firstGiven, ...othersGiven] = givenHosts(values)
  const user = get('user') ?? surroundings.userName()
  if (user === undefined) throw bad('no user is given, and the operating system has no name for this one', 'give user')
  const dbname = get('dbname') ?? user
  const account = { user, dbname }
  const resolve = (given: GivenHost) => resolveHost(given, account, values, surroundings, warnings)
  const hosts = [await resolve(firstGiven), ...(await Promise.all(othersGiven.map(resolve)))] as const

  return {
    hosts,
    description: `${user}@${hosts.map(({ place }) => place).join(',')}/${dbname}`,
    user,
    dbname,
    acceptedMethods: acceptedMethods(values),
    channelBinding: channelBindingOf(values),
    targetSessionAttrs: targetSessionAttrsOf(values),
    connectTimeoutMs: connectTimeoutOf(values),
    applicationName: get('application_name'),
    fallbackApplicationName: get('fallback_application_name'),
    options: get('options'),
    keepAliveIdleMs: keepAliveOf(values),
    warnings: [...new Set(warnings)],
  }
}

/** Who logs in, and where. */
type Account = Pick<ResolvedConnection, 'user' | 'dbname'>

async function resolveHost(
  given: GivenHost,
  account: Account,
  values: ConnectionValues,
  surroundings: Surroundings,
  warnings: string[],
): Promise<ResolvedHost> {
  const { hostaddr, port } = given
  const host = given.host ?? (await defaultHost(values, given, surroundings))
  const endpoint = endpointOf({ host, hostaddr, port }, values.connect)
  const place = placeOf({ host, hostaddr, port }, endpoint)
  const asked = sslModeOf(values)
  const sslmode = endpoint.kind === 'unix' ? 'disable' : asked
  return {
    endpoint,
    place,
    description: `${account.user}@${place}/${account.dbname}`,
    password: await passwordOf(values, { host, hostaddr, port, ...account }, surroundings, warnings),
    sslmode,
    tls: sslmode === 'disable' ? undefined : await tlsOf(values, sslmode, host, surroundings),
  }
}

/** Undefined where no name was given: an address or a stream needs none. */
async function defaultHost(
  values: ConnectionValues,
  { hostaddr, port }: GivenHost,
  surroundings: Surroundings,
): Promise<string | undefined> {
  if (values.connect !== undefined || hostaddr !== undefined) return undefined
  if (surroundings.platform !== 'win32') {
    for (const folder of socketFolders) if (await surroundings.isSocket(socketPath(folder, port))) return folder
  }
  return 'localhost'
}

async function passwordOf(
  values: ConnectionValues,
  key: GivenHost & Account,
  surroundings: Surroundings,
  warnings: string[],
): Promise<ResolvedHost['password']> {
  const { password } = values
  if (password !== undefined) return async () => password()
  const given = values.text.get('password')
  if (given) return async () => given

  const path = values.text.get('passfile') || defaultPassfile(surroundings)
  if (path === undefined) return async () => undefined
  const file = await surroundings.file(path).catch(() => 'unreadable' as const)
  if (file === undefined) return async () => undefined
  if (file === 'unreadable' || !file.plain || file.exposed) {
    warnings.push(`the password file ${path} was not used: ${objection(file)}`)
    return async () => undefined
  }
  const host = key.host ?? key.hostaddr ?? 'localhost'
  const found = passwordFromFile(file.text, {
    host: socketFolders.includes(host) ? 'localhost' : host,
    port: String(key.port),
    dbname: key.dbname,
    user: key.user,
  })
  return async () => found
}

function objection(file: FoundFile | 'unreadable'): string {
  if (file === 'unreadable') return 'it cannot be read'
  return file.plain ? 'others than its owner can read it; chmod 600 mends that' : 'it is not a plain file'
}

function defaultPassfile(surroundings: Surroundings): string | undefined {
  if (surroundings.platform !== 'win32') return join(surroundings.homeDirectory(), '.pgpass')
  const appData = surroundings.env.APPDATA
  return appData === undefined ? undefined : join(appData, 'postgresql', 'pgpass.conf')
}

function sslModeOf(values: ConnectionValues): SslMode {
  const sslmode = values.text.get('sslmode')
  if (sslmode !== undefined) return checkedSslMode(sslmode, values)
  const requiressl = flag(values, 'requiressl')
  if (requiressl !== undefined) return requiressl ? 'require' : 'prefer'
  return defaultSslMode({ tls: values.tls, sslrootcert: values.text.get('sslrootcert'), connect: values.connect })
}

async function tlsOf(
  values: ConnectionValues,
  sslmode: Exclude<SslMode, 'disable'>,
  host: string | undefined,
  surroundings: Surroundings,
): Promise<TlsOptions> {
  const { text } = values
  const folder = certificateFolder(surroundings)
  const roots = text.get('sslrootcert') || undefined
  const certificate = await pem(text.get('sslcert'), 'sslcert', join(folder, 'postgresql.crt'), surroundings)
  const key =
    certificate === undefined
      ? undefined
      : await pem(text.get('sslkey'), 'sslkey', join(folder, 'postgresql.key'), surroundings)
  if (certificate !== undefined && key === undefined && values.tls?.key === undefined) {
    throw bad('there is a client certificate (sslcert) and no key for it', 'give sslkey')
  }
  return tlsOptions({
    sslmode,
    host,
    sni: flag(values, 'sslsni') ?? true,
    roots: roots === 'system' ? roots : await pem(roots, 'sslrootcert', join(folder, 'root.crt'), surroundings),
    certificate,
    key,
    passphrase: text.get('sslpassword') || undefined,
    minVersion: tlsVersion('ssl_min_protocol_version', values),
    maxVersion: tlsVersion('ssl_max_protocol_version', values),
    tls: values.tls,
  })
}

function certificateFolder(surroundings: Surroundings): string {
  return surroundings.platform === 'win32'
    ? join(surroundings.env.APPDATA ?? surroundings.homeDirectory(), 'postgresql')
    : join(surroundings.homeDirectory(), '.postgresql')
}

/** Reads a file that was named, which must exist, or else the default one, which need not. */
async function pem(
  named: string | undefined,
  keyword: KeywordName,
  byDefault: string,
  surroundings: Surroundings,
): Promise<string | undefined> {
  const path = named || byDefault
  let file: Awaited<ReturnType<Surroundings['file']>>
  try {
    file = await surroundings.file(path)
  } catch (error) {
    throw bad(`the file ${path} (${keyword}) cannot be read`, 'check that it is readable for this user', error)
  }
  if (named && !file?.plain) throw bad(`the file ${path} (${keyword}) does not exist`, 'check the path')
  return file?.text
}

function connectTimeoutOf(values: ConnectionValues): number {
  const text = values.text.get('connect_timeout') || undefined
  if (text === undefined) return defaultConnectTimeoutMs
  if (!/^-?\d+$/.test(text)) {
    throw bad(`connect_timeout is ${values.shown(text)}`, 'give whole seconds, or 0 for no limit')
  }
  return Math.min(Math.max(Number(text), 0) * 1000, maxTimerMs)
}

function keepAliveOf(values: ConnectionValues): number | undefined {
  const idle = values.text.get('keepalives_idle') || defaultKeepalivesIdle
  if (!/^\d+$/.test(idle)) throw bad(`keepalives_idle is ${values.shown(idle)}`, 'give whole seconds')
  return flag(values, 'keepalives') === false ? undefined : Math.min(Number(idle) * 1000, maxTimerMs)
}

function flag(values: ConnectionValues, name: KeywordName): boolean | undefined {
  const value = values.text.get(name)
  if (value === undefined) return undefined
  if (value !== '0' && value !== '1') throw bad(`${name} is ${values.shown(value)}`, 'write 0 or 1')
  return value === '1'
}

function channelBindingOf(values: ConnectionValues): ChannelBindingMode {
  const text = values.text.get('channel_binding')
  if (text === undefined) return 'prefer'
  if (text === 'disable' || text === 'prefer' || text === 'require') return text
  throw bad(`channel_binding is ${values.shown(text)}`, 'write disable, prefer or require')
}

const targets = {
  any: true,
  'read-write': true,
  'read-only': true,
  primary: true,
  standby: true,
  'prefer-standby': true,
} satisfies Record<TargetSessionAttrs, true>

function isTarget(text: string): text is TargetSessionAttrs {
  return Object.hasOwn(targets, text)
}

function targetSessionAttrsOf(values: ConnectionValues): TargetSessionAttrs {
  const text = values.text.get('target_session_attrs') ?? 'any'
  if (isTarget(text)) return text
  throw bad(`target_session_attrs is ${values.shown(text)}`, `write ${Object.keys(targets).join(', ')}`)
}

const ownMethods: readonly AuthenticationMethod[] = ['none', 'password', 'md5', 'scram-sha-256']
/** What libpq knows besides; a server that uses one of them is refused anyway. */
const foreignMethods = new Set(['gss', 'sspi', 'oauth'])

/** `a,b` accepts these alone, `!a,!b` all but these. */
function acceptedMethods(values: ConnectionValues): ReadonlySet<AuthenticationMethod> | undefined {
  const text = values.text.get('require_auth')
  if (text === undefined || text === '') return undefined
  const names = text.split(',').map((name) => name.trim())
  const negative = names.filter((name) => name.startsWith('!'))
  if (negative.length !== 0 && negative.length !== names.length) {
    throw bad('require_auth mixes methods with and without !', 'name either what is allowed or what is not')
  }
  const named = new Set(names.map((name) => name.replace(/^!/, '')))
  for (const name of named) {
    if (!foreignMethods.has(name) && !ownMethods.some((method) => method === name)) {
      throw bad(`require_auth names ${values.shown(name)}`, `known are ${ownMethods.join(', ')}, gss, sspi, oauth`)
    }
  }
  return new Set(ownMethods.filter((method) => named.has(method) === (negative.length === 0)))
}
