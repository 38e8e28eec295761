import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { WalwireError } from '../../protocol/messages/errors.ts'
import { type Queryable, queryRows } from '../catalog/queryable.ts'

/**
 * The key of the advisory lock that a run of a slot holds: the first eight bytes of the SHA-256 of
 * `walwire:<system identifier>:<slot>` as a signed number in network order. Anybody can compute it:
 *
 * ```sql
 * SELECT ('x' || left(encode(sha256('walwire:…:shop_feed'), 'hex'), 16))::bit(64)::bigint
 * ```
 */
export function runLockKey(systemId: string, slot: string): bigint {
  const hash = createHash('sha256').update(`walwire:${systemId}:${slot}`).digest('hex')
  return BigInt.asIntN(64, BigInt(`0x${hash.slice(0, 16)}`))
}

/**
 * Tells other runs that one lives over this slot, by an advisory lock on the ordinary connection. A slot that no
 * walsender has in use (while tables are copied, and between two streams) looks like one that a run left behind; nothing
 * else tells the two apart. The lock goes with the session, however that ends.
 *
 * Advisory locks are a database's, and so is a logical slot: a run in another database is refused for that.
 */
export class RunLock {
  readonly #ordinary: Queryable
  readonly #key: bigint

  constructor(ordinary: Queryable, systemId: string, slot: string) {
    this.#ordinary = ordinary
    this.#key = runLockKey(systemId, slot)
  }

  /**
   * Takes the lock unless somebody has it. Not twice: the server counts.
   *
   * @returns undefined when it is taken, else the process that has it
   */
  async take(): Promise<number | undefined> {
    // A client that is gone without a word would keep its lock for the two hours that the system waits: the server asks
    // after a minute. Over a Unix socket the settings mean nothing.
    const [[taken] = []] = await queryRows(
      this.#ordinary,
      `SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;
      SELECT pg_catalog.pg_try_advisory_lock(${this.#key})`,
    )
    if (taken !== 'f') return undefined
    // as pg_locks has a key of 64 bits: two halves, and 1 to tell it from two keys of 32
    const high = BigInt.asUintN(32, this.#key >> 32n)
    const low = BigInt.asUintN(32, this.#key)
    const [[holder] = []] = await queryRows(
      this.#ordinary,
      `SELECT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
      WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = ${high} AND l.objid = ${low}
        AND d.datname = pg_catalog.current_database()`,
    )
    // one that has let go of it in between
    return holder ? Number(holder) : await this.take()
  }

  /**
   * Takes the lock over a connection that takes the place of former ones, one of whose sessions may have it still, since the
   * server has not noticed that its client is gone: then that is ended.
   *
   * @param formerPids their processes; where there are none, nobody is waited for
   * @returns as {@link take}
   */
  async takeOver(formerPids: readonly number[]): Promise<number | undefined> {
    const deadline = performance.now() + takeOverMs
    for (;;) {
      const holder = await this.take()
      if (holder === undefined || formerPids.length === 0 || performance.now() >= deadline) return holder
      if (formerPids.includes(holder)) {
        await queryRows(this.#ordinary, `SELECT pg_catalog.pg_terminate_backend(${holder})`)
      }
      await delay(takeOverRetryMs)
    }
  }
}

/** A session that is ended lets go within moments. */
const takeOverMs = 5_000
const takeOverRetryMs = 50

/** A run over this slot lives. */
export function slotTaken(slot: string, holder: number): WalwireError {
  return new WalwireError('slot_taken', {
    what: `slot ${slot} cannot be used`,
    why: `another run over it lives: process ${holder} of the server is its ordinary connection`,
    hint: `stop that run first; if its client is gone, the server notices within minutes, or at once with SELECT pg_terminate_backend(${holder})`,
    slot,
  })
}
