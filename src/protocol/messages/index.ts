/**
 * Bytes alone: framing, every message of either side, replication messages and commands, LSNs, quoting. Nothing here
 * needs Node: it loads in a browser.
 * In 0.x this layer may still change between minor versions.
 */
export * from './authentication-messages.ts'
export * from './backend.ts'
export { Conversation, type ConversationMessage } from './conversation.ts'
export * from './copy-messages.ts'
export type { ErrorField, ErrorFields } from './error-fields.ts'
export {
  type ErrorCode,
  type ErrorData,
  type ErrorParts,
  errorCodes,
  ProtocolError,
  WalwireError,
} from './errors.ts'
export { Framer } from './framer.ts'
export * from './frontend.ts'
export { formatLsn, type Lsn, type LsnInput, parseLsn } from './lsn.ts'
export * from './notice-messages.ts'
export * from './password-messages.ts'
export * from './query-messages.ts'
export { quoteIdentifier, quoteLiteral, quoteReplicationLiteral } from './quote.ts'
export { Reader } from './reader.ts'
export * from './replication-commands.ts'
export * from './replication-messages.ts'
export * from './result-messages.ts'
export { errorFieldsOf, PostgresError, serverError } from './server-error.ts'
export * from './session-messages.ts'
export * from './startup-messages.ts'
export * from './tags.ts'
export type { Format, WireValue } from './values.ts'
