import { type Lsn, parseLsn } from '../../protocol/messages/lsn.ts'
import { quoteLiteral } from '../../protocol/messages/quote.ts'
import { type Queryable, queryRows } from '../catalog/queryable.ts'
import type { ServerFacts } from '../catalog/server-facts.ts'
import type { SlotStatus } from '../feed.ts'

/** How often the server is asked. */
const lookIntervalMs = 10_000

/** What a {@link SlotWatch} asks. */
export interface SlotWatchParts {
  readonly ordinary: Queryable
  readonly slot: string
  /** As it was when the connections were opened. */
  readonly server: Pick<ServerFacts, 'flushLsn' | 'replayLsn'>
  /** Called with each answer. */
  readonly onLook: (look: SlotLook) => void
}

/** What the server said of a slot, and of its own log. */
export interface SlotLook extends SlotStatus {
  /** Up to there the server can send. */
  readonly walEnd: Lsn
}

/**
 * Asks every now and then what the server keeps for the slot of a stream and where its log ends, which the stream itself says
 * only once it has come there. For status and warnings alone: nothing is decided by it, and
 * an answer that does not come is not missed.
 */
export class SlotWatch {
  readonly #parts: SlotWatchParts
  #look: SlotLook | undefined
  #base: Lsn
  #timer: NodeJS.Timeout | undefined
  #looking = false

  constructor(parts: SlotWatchParts) {
    this.#parts = parts
    this.#base = parts.server.replayLsn ?? parts.server.flushLsn
  }

  /** Asks from now on, until {@link end}. */
  begin(): void {
    this.#timer = setInterval(() => void this.#lookAgain(), lookIntervalMs)
    void this.#lookAgain()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#look = undefined
  }

  /** What the server said last; undefined until then, and once nobody asks any more. */
  get latest(): SlotLook | undefined {
    return this.#look
  }

  /** Where the server's log ended when the stream began. */
  get base(): Lsn {
    return this.#base
  }

  async #lookAgain(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      const look = await readSlotLook(this.#parts.ordinary, this.#parts.slot)
      if (this.#timer === undefined || look === undefined) return
      if (this.#look === undefined && look.walEnd > this.#base) this.#base = look.walEnd
      this.#look = look
      this.#parts.onLook(look)
    } catch {
      // whoever needs the catalog will meet the same, and this may come later
    } finally {
      this.#looking = false
    }
  }
}

/** Undefined where there is no slot of that name, or none that keeps anything. */
async function readSlotLook(connection: Queryable, slot: string): Promise<SlotLook | undefined> {
  const [[walEnd, retained, safe, walStatus] = []] = await queryRows(
    connection,
    `SELECT l.wal_end, pg_catalog.pg_wal_lsn_diff(l.wal_end, s.restart_lsn), s.safe_wal_size, s.wal_status
    FROM pg_catalog.pg_replication_slots s, LATERAL (SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
      THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END AS wal_end) l
    WHERE s.slot_name = ${quoteLiteral(slot)}`,
  )
  if (!walEnd || !retained) return undefined
  return {
    walEnd: parseLsn(walEnd),
    retainedBytes: Math.max(0, Number(retained)),
    safeBytes: safe ? Number(safe) : undefined,
    walStatus: walStatus ?? undefined,
  }
}
