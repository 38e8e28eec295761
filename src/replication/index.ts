export { type AdoptingServer, type Adoption, type AdoptOptions, adoptPosition } from './adoption.ts'
export type { Batch } from './batch.ts'
export type * from './events.ts'
export type {
  Feed,
  FeedActivity,
  FeedError,
  FeedStart,
  FeedStatus,
  FollowOptions,
  SlotStatus,
  SnapshotStatus,
  TableCopyStatus,
} from './feed.ts'
export type { FeedMessages } from './feed-messages.ts'
export { follow } from './follow.ts'
export { toJsonLine } from './json-line.ts'
export type { Logger } from './logger.ts'
export {
  comparePositions,
  type Position,
  type PositionOptions,
  type PositionTables,
  parsePosition,
  type UnfinishedTable,
} from './position.ts'
export type { ReconnectOptions } from './reconnection.ts'
