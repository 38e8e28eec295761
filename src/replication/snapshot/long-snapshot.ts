import type { SnapshotStatus } from '../feed.ts'
import type { Logger } from '../logger.ts'

/** What a copy of many gigabytes takes, and what a database that is written to can do without vacuum. */
export const longSnapshotMs = 30 * 60_000

/**
 * Says once, when a snapshot is as old as that, what it costs the server: no version of a row that it might see is removed, in all
 * tables of the database.
 *
 * @returns ends it
 */
export function watchAge(progress: () => SnapshotStatus, slot: string, logger: Logger): () => void {
  const timer = setTimeout(() => {
    const { tables, tablesDone, rows } = progress()
    logger.warn(
      { slot, tables, tablesDone, rows },
      `the snapshot of slot ${slot} has held back vacuum for ${longSnapshotMs / 60_000} min, in all tables of the database: ${tablesDone} of ${tables} tables are copied`,
    )
  }, longSnapshotMs)
  return () => clearTimeout(timer)
}
