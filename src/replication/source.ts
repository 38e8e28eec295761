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
