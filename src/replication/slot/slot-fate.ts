import { setTimeout as delay } from 'node:timers/promises'
import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Queryable } from '../catalog/queryable.ts'
import type { ServerFacts } from '../catalog/server-facts.ts'
import { readSlot } from './slot.ts'
import { checkSlotUsable } from './slot-check.ts'

const pollMs = 50
/** Between the end of a walsender and the mark on its slot the server does nothing else. */
const graceMs = 300
/** A server that is removing WAL may take longer. */
const removalMs = 2_000

/**
 * Looks at a slot after the server broke its stream off. It says "due to administrator command" also where it ends a
 * walsender to give the slot up (`max_slot_wal_keep_size`, a conflict on a standby), and where somebody did to drop it: what
 * became of the slot says more. The server ends the walsender first and marks the slot then.
 *
 * @returns `slot_lost` or `slot_invalidated`; undefined when the slot is as it was
 */
export async function readSlotFate(
  ordinary: Queryable,
  name: string,
  server: ServerFacts,
): Promise<WalwireError | undefined> {
  const begunMs = performance.now()
  for (;;) {
    const slot = await readSlot(ordinary, name)
    try {
      checkSlotUsable(name, slot, server)
    } catch (error) {
      return error instanceof WalwireError ? error : undefined
    }
    const isLeaving = slot?.walStatus === 'unreserved'
    if (performance.now() - begunMs > (isLeaving ? removalMs : graceMs)) return undefined
    await delay(pollMs)
  }
}
