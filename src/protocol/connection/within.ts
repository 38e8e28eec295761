/** How a promise ended. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }

/**
 * Waits for a promise at most so long: how it ended, or undefined when the time is over, or the signal aborted, before.
 * It never rejects, so one promise may be waited for several times, and be left to itself afterwards. The one way to
 * wait with a limit.
 *
 * ```ts
 * const left = await within(connection.endCopy(), 300)
 * if (left === undefined) … // not yet
 * ```
 *
 * @param ms none left (0 or less) still gives what has ended already; Infinity is no limit
 */
export function within<T>(promise: Promise<T>, ms: number, signal?: AbortSignal): Promise<Outcome<T> | undefined> {
  return new Promise((resolve) => {
    const end = (outcome?: Outcome<T>): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
      resolve(outcome)
    }
    const stop = (): void => end()
    const timer = ms <= longestTimerMs ? setTimeout(stop, Math.max(0, ms)) : undefined
    promise.then(
      (value) => end({ ok: true, value }),
      (error: unknown) => end({ ok: false, error }),
    )
    signal?.addEventListener('abort', stop)
    if (signal?.aborted) stop()
  })
}

/** Whoever waits for a server for so long is told what for, */
export const patienceMs = 3_000
/** and so often again. */
export const reminderMs = 60_000

/** What setTimeout takes at most: 24 days. */
export const longestTimerMs = 0x7fff_ffff
