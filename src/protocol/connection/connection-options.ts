import type { Duplex } from 'node:stream'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { AuthenticationMethod, ChannelBindingMode } from './authentication.ts'

/** Where a server is and how to get in: a URI, or an object. What is missing is filled in, see {@link resolveConnection}. */
export type ConnectionInput = string | ConnectionOptions

/** libpq's sslmodes, without `allow`. */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

/** libpq's: what a server must be for a connection to be to it. */
export type TargetSessionAttrs = 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby'

/**
 * libpq's keywords with libpq's meaning, and three of walwire's own: a password that is a function, `tls` and `connect`.
 * Keywords of libpq that are not here are refused with `unsupported_option`, all others with `bad_connection`.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 */
export interface ConnectionOptions {
  /**
   * A name, an IP address, or the folder of a Unix socket, which begins with a slash. Several, comma-separated, are tried in
   * their order, each at all the addresses that it stands for.
   */
  readonly host?: string | undefined
  /** The IP address to connect to; `host` then is only for checking the certificate and for the password file. As many as there are hosts. */
  readonly hostaddr?: string | undefined
  /** One for all hosts, or one each, comma-separated. */
  readonly port?: number | string | undefined
  readonly dbname?: string | undefined
  readonly user?: string | undefined
  /** A function is called once for every connection whose server wants a password. */
  readonly password?: string | (() => string | Promise<string>) | undefined
  /** Default `~/.pgpass`. */
  readonly passfile?: string | undefined
  /** Methods that the server may use, comma-separated: `password`, `md5`, `scram-sha-256`, `none`; with `!` those that it must not. */
  readonly require_auth?: string | undefined
  /** Seconds for everything until the session is ready, at each host and address that is tried; default 10; 0 is no limit. */
  readonly connect_timeout?: number | string | undefined
  readonly application_name?: string | undefined
  readonly fallback_application_name?: string | undefined
  /** Command-line options for the session, like `-c geqo=off`. What walwire sets itself comes after them and wins. */
  readonly options?: string | undefined
  /** 1 (default): TCP keepalives. */
  readonly keepalives?: 0 | 1 | '0' | '1' | undefined
  /** Seconds without traffic until the first keepalive; default 60, since a connection is silent while another one copies. 0 is the system's. */
  readonly keepalives_idle?: number | string | undefined
  /**
   * Default `prefer`; `verify-full` where `tls` or `sslrootcert=system` is given; `disable` where `connect` is.
   * Unlike libpq's, `prefer` goes on without TLS only where the server says that it has none, never after TLS failed.
   */
  readonly sslmode?: SslMode | undefined
  /** File of trusted roots, or `system`: those that Node trusts. Default `~/.postgresql/root.crt`, if it exists. */
  readonly sslrootcert?: string | undefined
  /** File of the client's certificate. Default `~/.postgresql/postgresql.crt`, if it exists. */
  readonly sslcert?: string | undefined
  /** File of its key. Default `~/.postgresql/postgresql.key`. */
  readonly sslkey?: string | undefined
  /** The key's passphrase. */
  readonly sslpassword?: string | undefined
  /** 1 (default): name the host in TLS (SNI), unless it is an address. */
  readonly sslsni?: 0 | 1 | '0' | '1' | undefined
  readonly ssl_min_protocol_version?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined
  readonly ssl_max_protocol_version?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined
  /** Default `prefer`: SCRAM proves the password for this TLS connection alone, where the server can. */
  readonly channel_binding?: ChannelBindingMode | undefined
  /** `require` is not supported. */
  readonly gssencmode?: 'disable' | 'prefer' | undefined
  /** Which of the hosts is meant: the first that is as this says. Default `any`. */
  readonly target_session_attrs?: TargetSessionAttrs | undefined
  /**
   * Laid over what the ssl keywords say, for what they cannot: certificates from memory, a servername.
   * It cannot switch off what sslmode promises: `rejectUnauthorized: false` with `verify-ca` or `verify-full` is refused.
   */
  readonly tls?: TlsOptions | undefined
  /**
   * Opens the stream itself: a tunnel, a cloud provider's connector. Called for every connection, cancel requests too.
   * It must give a fresh stream, connected and not yet read from.
   */
  readonly connect?: (() => Promise<Duplex>) | undefined
}

/** Where the bytes go. */
export type Endpoint =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'custom'; readonly connect: () => Promise<Duplex> }

/** What a session is begun with, whichever host it is with. */
export interface SessionOptions {
  readonly user: string
  readonly dbname: string
  /** Methods that are accepted, or undefined for all. */
  readonly acceptedMethods: ReadonlySet<AuthenticationMethod> | undefined
  readonly channelBinding: ChannelBindingMode
  readonly targetSessionAttrs: TargetSessionAttrs
  /** Of each attempt. 0 is no limit. */
  readonly connectTimeoutMs: number
  /** What the caller named, if anything. */
  readonly applicationName: string | undefined
  readonly fallbackApplicationName: string | undefined
  readonly options: string | undefined
  /** Undefined is no keepalives; 0 the system's time. */
  readonly keepAliveIdleMs: number | undefined
}

/** One of the hosts that a connection may be to. */
export interface ResolvedHost {
  readonly endpoint: Endpoint
  /** `host:port`, or the path of its socket, for messages. */
  readonly place: string
  /** `user@host:port/dbname` for messages; no secret in it. */
  readonly description: string
  /** Gives undefined where there is none. */
  readonly password: () => Promise<string | undefined>
  /** `disable` for Unix sockets, whatever was asked for. */
  readonly sslmode: SslMode
  /** For tls.connect, without the socket; undefined for `disable`. */
  readonly tls: TlsOptions | undefined
}

/** A host, with all that a session with it is begun with. */
export interface ResolvedServer extends SessionOptions, ResolvedHost {}

/** A {@link ConnectionInput} with everything filled in, checked, and files read: nothing is left to look up but names and the password. */
export interface ResolvedConnection extends SessionOptions {
  /** In the order in which they are tried. */
  readonly hosts: readonly [ResolvedHost, ...ResolvedHost[]]
  /** Of all hosts, for messages; no secret in it. */
  readonly description: string
  /** What was passed over and should not be silent, such as a password file that others can read. */
  readonly warnings: readonly string[]
}
