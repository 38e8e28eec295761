/**
 * walwire snapshots Postgres tables and follows them over the logical replication protocol.
 *
 * @packageDocumentation
 */
export type { Column, Relation, ReplicaIdentity, Row } from './decoder/relation.ts'
export { PgArray } from './decoder/types/pg-array.ts'
export { PgRange, type RangeBounds } from './decoder/types/pg-range.ts'
export type { ConnectionInput, ConnectionOptions } from './protocol/connection/connection-options.ts'
export { type ErrorCode, WalwireError } from './protocol/messages/errors.ts'
export { formatLsn, type Lsn, type LsnInput, parseLsn } from './protocol/messages/lsn.ts'
export * from './replication/index.ts'
