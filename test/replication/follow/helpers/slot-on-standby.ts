import { waitUntil } from '../../../server/index.ts'
import { queryOnce } from '../../../server/sql.ts'
import type { FeedReader } from './feed-reader.ts'

/** Pulls a first feed over a standby until it has its slot, which a standby makes at the next record of running transactions. */
export async function untilSlotOnStandby(feed: FeedReader, primary: string): Promise<void> {
  await feed.next()
  let made = false
  const making = feed
    .until('the slot', ({ position }) => position?.phase === 'stream')
    .finally(() => {
      made = true
    })
  await waitUntil('the slot to be made', async () => {
    await queryOnce(primary, 'SELECT pg_log_standby_snapshot()')
    return made
  })
  await making
}
