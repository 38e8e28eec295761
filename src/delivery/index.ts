/**
 * Follows a feed into a destination, each change once.
 *
 * @packageDocumentation
 */
export type { CommitPolicy } from './commit-policy.ts'
export { type DeliverOptions, deliver } from './deliver.ts'
export type { DeliveryEnd } from './delivery.ts'
export type { DeliveredFeed, Destination, Standing } from './destination.ts'
export { type FileDestinationOptions, fileDestination } from './file/file-destination.ts'
export type { RotatePolicy } from './file/rotate-policy.ts'
export type { RetryPolicy } from './retry-policy.ts'
