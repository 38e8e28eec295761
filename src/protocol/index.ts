/**
 * Bytes and sockets: framing, messages, authentication, a connection over a raw socket, replication commands.
 * In 0.x this layer may still change between minor versions.
 */
export type { AuthenticationMethod, ChannelBindingMode } from './connection/authentication.ts'
export { Connection, type OpenOptions, type QueryLimit, type SideMessage } from './connection/connection.ts'
export type {
  ConnectionInput,
  ConnectionOptions,
  Endpoint,
  ResolvedConnection,
  SslMode,
} from './connection/connection-options.ts'
export * from './connection/frontend.ts'
export { resolveConnection } from './connection/resolve-connection.ts'
export type { QueryResult } from './connection/simple-query.ts'
export { sessionSettings } from './connection/startup.ts'
export type { FoundFile, Surroundings } from './connection/surroundings.ts'
export * from './messages/authentication-messages.ts'
export * from './messages/backend.ts'
export { Conversation, type ConversationMessage } from './messages/conversation.ts'
export * from './messages/copy-messages.ts'
export type { ErrorField, ErrorFields } from './messages/error-fields.ts'
export {
  type ErrorCode,
  type ErrorData,
  type ErrorParts,
  errorCodes,
  ProtocolError,
  WalwireError,
} from './messages/errors.ts'
export { Framer } from './messages/framer.ts'
export * from './messages/frontend.ts'
export { formatLsn, type Lsn, type LsnInput, parseLsn } from './messages/lsn.ts'
export * from './messages/notice-messages.ts'
export * from './messages/password-messages.ts'
export * from './messages/query-messages.ts'
export { quoteIdentifier, quoteLiteral, quoteReplicationLiteral } from './messages/quote.ts'
export { Reader } from './messages/reader.ts'
export * from './messages/replication-commands.ts'
export * from './messages/replication-messages.ts'
export * from './messages/result-messages.ts'
export { errorFieldsOf, PostgresError, serverError } from './messages/server-error.ts'
export * from './messages/session-messages.ts'
export * from './messages/startup-messages.ts'
export * from './messages/tags.ts'
export type { Format, WireValue } from './messages/values.ts'
