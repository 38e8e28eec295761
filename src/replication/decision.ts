import type { ServerFacts } from './catalog/server-facts.ts'
import { readTimelineHistory } from './catalog/timeline-history.ts'
import type { Connections } from './connections.ts'
import type { CheckedStart, FollowSettings } from './follow-options.ts'
import { readSlot, type SlotFacts } from './slot/slot.ts'
import { planStart, type StartPlan } from './start.ts'

/** How a feed starts. */
export interface Decision {
  readonly plan: StartPlan
  /** That was found. */
  readonly slot: SlotFacts | undefined
  /** What it was decided by. */
  readonly start: CheckedStart
}

/** Looks at the slot, and decides how to start from where the feed is to go on. @throws {WalwireError} as {@link planStart} */
export async function decide(
  settings: FollowSettings,
  { ordinary, replication }: Connections,
  server: ServerFacts,
  start: CheckedStart,
): Promise<Decision> {
  const { slot: slotName } = settings
  const slot = await readSlot(ordinary, slotName)
  const isOlder = typeof start === 'object' && start.timeline < server.timeline
  const history = isOlder ? await readTimelineHistory(replication, server.timeline) : []
  return { start, slot, plan: planStart({ ...settings, start, slotName }, server, slot, history) }
}
