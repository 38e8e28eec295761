/**
 * Bytes and sockets: framing, messages, authentication, a connection over a raw socket, replication commands.
 * In 0.x this layer may still change between minor versions.
 */
export type { AuthenticationMethod, ChannelBindingMode } from './authentication.ts'
export type { AuthenticationMessage } from './authentication-messages.ts'
export * from './backend.ts'
export { Connection, type OpenOptions, type SideMessage } from './connection.ts'
export type { ConnectionInput, ConnectionOptions, Endpoint, ResolvedConnection, SslMode } from './connection-options.ts'
export type { ErrorFields } from './error-fields.ts'
export { type ErrorCode, type ErrorData, type ErrorParts, errorCodes, ProtocolError, WalwireError } from './errors.ts'
export { Framer } from './framer.ts'
export * from './frontend.ts'
export { formatLsn, type Lsn, type LsnInput, parseLsn } from './lsn.ts'
export { quoteIdentifier, quoteLiteral, quoteReplicationLiteral } from './quote.ts'
export { Reader } from './reader.ts'
export * from './replication-commands.ts'
export * from './replication-messages.ts'
export { resolveConnection } from './resolve-connection.ts'
export { errorFieldsOf, PostgresError, serverError } from './server-error.ts'
export type { QueryResult } from './simple-query.ts'
export { sessionSettings } from './startup.ts'
export type { FoundFile, Surroundings } from './surroundings.ts'
