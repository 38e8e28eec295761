/**
 * Messages and values: pure functions and small machines without I/O, for Node and for browsers.
 *
 * @packageDocumentation
 */
export { copyTextLayout } from './copy-text.ts'
export {
  type BeginMessage,
  type CommitMessage,
  encodeBegin,
  encodeCommit,
  encodeDelete,
  encodeInsert,
  encodeLogicalMessage,
  encodeOrigin,
  encodeRelation,
  encodeStreamAbort,
  encodeTruncate,
  encodeType,
  encodeUpdate,
  type LogicalMessage,
  type OriginMessage,
  type RelationMessage,
  type RelationMessageColumn,
  type StreamAbortMessage,
  type TruncateMessage,
  type TupleValue,
  type TypeMessage,
} from './messages.ts'
export { PgoutputDecoder, type PgoutputMessage, type PgoutputOptions, type PgoutputSink } from './pgoutput.ts'
export type { Column, Relation, ReplicaIdentity, Row } from './relation.ts'
export { Cursor, type Field, type RowLayout, type RowReader, rowReader } from './row-reader.ts'
export { tupleLayout } from './tuple.ts'
export type { TypeOverrides } from './types/overrides.ts'
export { PgArray } from './types/pg-array.ts'
export { PgRange, type RangeBounds } from './types/pg-range.ts'
export {
  type CatalogAttribute,
  type CatalogType,
  type PgType,
  type ReadValue,
  type TypeKind,
  TypeRegistry,
  type TypeRegistryOptions,
} from './types/registry.ts'
export { decodeBinary, decodeText, encodeBinary, encodeText } from './types/value-codec.ts'
