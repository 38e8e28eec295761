/**
 * Bytes and sockets: framing, messages, replication commands, authentication, a connection over a raw socket.
 * In 0.x this layer may still change between minor versions.
 */
export type { AuthenticationMethod, ChannelBindingMode } from './connection/authentication.ts'
export { Connection, type OpenOptions, type QueryLimit, type SideMessage } from './connection/connection.ts'
export type {
  ConnectionInput,
  ConnectionOptions,
  Endpoint,
  ResolvedConnection,
  ResolvedHost,
  SessionOptions,
  SslMode,
  TargetSessionAttrs,
} from './connection/connection-options.ts'
export * from './connection/frontend.ts'
export { resolveConnection } from './connection/resolve-connection.ts'
export { type SessionSetting, sessionSettings, settingsTable } from './connection/session-settings.ts'
export type { QueryResult } from './connection/simple-query.ts'
export type { FoundFile, Surroundings } from './connection/surroundings.ts'
export * from './messages/index.ts'
