import type { Batch } from './batch.ts'

/** Where the batches of a feed come from, one part after the other: the copy of its tables, and the stream of changes. */
export interface Source {
  /**
   * The next batch; one call at a time.
   *
   * @returns undefined when everything was delivered, or the source was ended
   * @throws why there is no more: what came whole before was delivered
   */
  next(): Promise<Batch | undefined>
  /**
   * Gives up what the source holds (timers, a transaction, a worker), whether or not everything was taken. A call of
   * {@link next} that waits is over soon after. Calling it again does nothing. Never rejects.
   */
  end(): Promise<void>
}

/** Sources one after the other; each is opened when the one before it is over. */
export function inTurn(stages: readonly (() => Promise<Source>)[]): Source {
  const waiting = [...stages]
  let current: Source | undefined
  let ended = false
  const open = async (): Promise<Source | undefined> => {
    const source = await waiting.shift()?.()
    if (!ended || source === undefined) return source
    await source.end()
    return undefined
  }
  return {
    async next() {
      while (!ended) {
        current ??= await open()
        if (current === undefined) return undefined
        const batch = await current.next()
        if (batch !== undefined) return batch
        await current.end()
        current = undefined
      }
      return undefined
    },
    async end() {
      ended = true
      await current?.end()
    },
  }
}

/** A source of one batch. */
export function single(batch: Batch): Source {
  let left: Batch | undefined = batch
  return {
    async next() {
      const taken = left
      left = undefined
      return taken
    },
    async end() {
      left = undefined
    },
  }
}
