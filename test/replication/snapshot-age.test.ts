import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { longSnapshotMs, watchAge } from '../../src/replication/snapshot/long-snapshot.ts'
import { recordingLogger } from './follow/helpers/recording-logger.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const progress = () => ({ tables: 5, tablesDone: 3, rows: 1_000, copying: [] })

test('a snapshot that holds back vacuum for long is said once, with how far its copy is', () => {
  const logger = recordingLogger()
  const end = watchAge(progress, 'shop_feed', logger)
  vi.advanceTimersByTime(longSnapshotMs - 1)
  expect(logger.lines()).toEqual([])
  vi.advanceTimersByTime(24 * 3_600_000)
  expect(logger.lines()).toEqual([
    {
      level: 'warn',
      data: { slot: 'shop_feed', tables: 5, tablesDone: 3, rows: 1_000 },
      message:
        'the snapshot of slot shop_feed has held back vacuum for 30 min, in all tables of the database: 3 of 5 tables are copied',
    },
  ])
  end()
})

test('a copy that is over in time says nothing, and leaves no timer', () => {
  const logger = recordingLogger()
  watchAge(progress, 'shop_feed', logger)()
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(2 * longSnapshotMs)
  expect(logger.lines()).toEqual([])
})
