// What every program that follows has around its loop: it ends on a signal, and begins again after what may pass.
import { setTimeout as delay } from 'node:timers/promises'
import { WalwireError } from 'walwire'

const longestWaitMs = 30_000

/**
 * Runs `work`, which follows from what it has stored, and runs it again when the server has gone for a while. Ends when
 * it ends, on SIGINT and SIGTERM, and with whatever no repetition mends.
 *
 * @param {(signal: AbortSignal) => Promise<void>} work hands the signal to `follow`
 */
export async function keepFollowing(work) {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort())
  for (let failures = 0; !stop.signal.aborted; ) {
    const beganAt = Date.now()
    try {
      await work(stop.signal)
      return
    } catch (error) {
      if (stop.signal.aborted) return
      if (!mayPass(error)) throw error
      // what went well for a while and then failed is a new failure
      failures = Date.now() - beganAt > longestWaitMs ? 1 : failures + 1
      // with jitter: many that lost the same server must not come back at the same moment
      const waitMs = Math.min(100 * 2 ** failures, longestWaitMs) * (0.5 + Math.random() / 2)
      console.error(`${error.message}; again in ${Math.round(waitMs)} ms`)
      await delay(waitMs, undefined, { signal: stop.signal }).catch(() => {})
    }
  }
}

/**
 * @param {unknown} error
 * @returns {error is WalwireError}
 */
function mayPass(error) {
  // a temporary slot goes with its connection, and the next run makes another
  return error instanceof WalwireError && (error.retryable || error.code === 'temporary_slot_lost')
}
