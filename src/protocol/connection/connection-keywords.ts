/**
 * libpq's connection keywords, the environment variable that each falls back to, and what walwire does with it. All of
 * PostgreSQL 18's are here: a keyword that libpq knows is either obeyed or refused by name, never ignored.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 * @see https://www.postgresql.org/docs/current/libpq-envars.html
 */
export interface Keyword {
  readonly env?: string
  /** Obeyed. */
  readonly supported?: true
  /**
   * Not obeyed, but these values ask for nothing more than what happens anyway; every other value is refused.
   * The reason completes "… is not supported: ".
   */
  readonly onlyValues?: readonly string[]
  readonly reason?: string
}

const noKerberos = 'walwire has no GSSAPI'
const noSystemCall = 'Node cannot set this on a socket'

export const keywords = {
  host: { env: 'PGHOST', supported: true },
  hostaddr: { env: 'PGHOSTADDR', supported: true },
  port: { env: 'PGPORT', supported: true },
  dbname: { env: 'PGDATABASE', supported: true },
  user: { env: 'PGUSER', supported: true },
  password: { env: 'PGPASSWORD', supported: true },
  passfile: { env: 'PGPASSFILE', supported: true },
  channel_binding: { env: 'PGCHANNELBINDING', supported: true },
  require_auth: { env: 'PGREQUIREAUTH', supported: true },
  connect_timeout: { env: 'PGCONNECT_TIMEOUT', supported: true },
  options: { env: 'PGOPTIONS', supported: true },
  application_name: { env: 'PGAPPNAME', supported: true },
  fallback_application_name: { supported: true },
  keepalives: { supported: true },
  keepalives_idle: { supported: true },
  sslmode: { env: 'PGSSLMODE', supported: true },
  sslrootcert: { env: 'PGSSLROOTCERT', supported: true },
  sslcert: { env: 'PGSSLCERT', supported: true },
  sslkey: { env: 'PGSSLKEY', supported: true },
  sslpassword: { supported: true },
  sslsni: { env: 'PGSSLSNI', supported: true },
  ssl_min_protocol_version: { env: 'PGSSLMINPROTOCOLVERSION', supported: true },
  ssl_max_protocol_version: { env: 'PGSSLMAXPROTOCOLVERSION', supported: true },
  requiressl: { env: 'PGREQUIRESSL', supported: true },
  target_session_attrs: { env: 'PGTARGETSESSIONATTRS', supported: true },

  client_encoding: {
    env: 'PGCLIENTENCODING',
    onlyValues: ['UTF8', 'utf8', 'UTF-8', 'utf-8', 'unicode', 'UNICODE'],
    reason: 'walwire always asks for UTF8',
  },
  gssencmode: { env: 'PGGSSENCMODE', onlyValues: ['disable', 'prefer'], reason: noKerberos },
  load_balance_hosts: {
    env: 'PGLOADBALANCEHOSTS',
    onlyValues: ['disable'],
    reason: 'hosts are tried in their order',
  },
  sslnegotiation: { env: 'PGSSLNEGOTIATION', onlyValues: ['postgres'], reason: 'TLS begins with an SSLRequest only' },
  sslcompression: { env: 'PGSSLCOMPRESSION', onlyValues: ['0'], reason: 'TLS compression is unsafe' },
  sslcertmode: {
    env: 'PGSSLCERTMODE',
    onlyValues: ['allow'],
    reason: 'a client certificate is sent when there is one',
  },
  min_protocol_version: { env: 'PGMINPROTOCOLVERSION', onlyValues: ['3.0'], reason: 'walwire speaks protocol 3.0' },
  max_protocol_version: { env: 'PGMAXPROTOCOLVERSION', onlyValues: ['3.0'], reason: 'walwire speaks protocol 3.0' },
  keepalives_interval: { onlyValues: ['0'], reason: noSystemCall },
  keepalives_count: { onlyValues: ['0'], reason: noSystemCall },
  tcp_user_timeout: { onlyValues: ['0'], reason: noSystemCall },
  replication: { onlyValues: [], reason: 'walwire opens replication connections by itself' },
  service: { env: 'PGSERVICE', onlyValues: [], reason: 'walwire does not read service files' },
  servicefile: { onlyValues: [], reason: 'walwire does not read service files' },
  sslcrl: { env: 'PGSSLCRL', onlyValues: [], reason: 'walwire does not check revocation lists' },
  sslcrldir: { env: 'PGSSLCRLDIR', onlyValues: [], reason: 'walwire does not check revocation lists' },
  sslkeylogfile: { onlyValues: [], reason: 'walwire writes no key log' },
  requirepeer: { env: 'PGREQUIREPEER', onlyValues: [], reason: 'Node does not say who owns a socket' },
  krbsrvname: { env: 'PGKRBSRVNAME', onlyValues: [], reason: noKerberos },
  gsslib: { env: 'PGGSSLIB', onlyValues: [], reason: noKerberos },
  gssdelegation: { env: 'PGGSSDELEGATION', onlyValues: ['0'], reason: noKerberos },
  scram_client_key: { onlyValues: [], reason: 'give the password instead' },
  scram_server_key: { onlyValues: [], reason: 'give the password instead' },
  oauth_issuer: { onlyValues: [], reason: 'walwire has no OAuth' },
  oauth_client_id: { onlyValues: [], reason: 'walwire has no OAuth' },
  oauth_client_secret: { onlyValues: [], reason: 'walwire has no OAuth' },
  oauth_scope: { onlyValues: [], reason: 'walwire has no OAuth' },
} as const satisfies Record<string, Keyword>

export type KeywordName = keyof typeof keywords

export function isKeyword(name: string): name is KeywordName {
  return Object.hasOwn(keywords, name)
}

/** What people write for a keyword, for the hint of an error. */
export const misnomers: ReadonlyMap<string, string> = new Map(
  Object.entries({
    database: 'dbname',
    db: 'dbname',
    username: 'user',
    hostname: 'host',
    pass: 'password',
    ssl: 'sslmode (or tls)',
    timeout: 'connect_timeout',
    applicationName: 'application_name',
    connectTimeout: 'connect_timeout',
    ca: 'sslrootcert (or tls.ca)',
  }),
)
