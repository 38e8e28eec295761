/** Says what is waited for, in words that go on behind "waits for", and nothing secret. */
export type SayWait = (what: string) => void

/** What a feed waits for at the moment, for whoever looks at it from outside. Several waits may be open at a time. */
export class Waits {
  readonly #open = new Set<{ what: string | undefined }>()

  /** Does something that may take long. What it says by then is what is waited for until it is over, or says another thing. */
  async during<T>(work: (say: SayWait) => Promise<T>): Promise<T> {
    const wait: { what: string | undefined } = { what: undefined }
    this.#open.add(wait)
    try {
      return await work((what) => {
        wait.what = what
      })
    } finally {
      this.#open.delete(wait)
    }
  }

  /** Of what began last, which is in the way of all before it. */
  get latest(): string | undefined {
    return [...this.#open].findLast(({ what }) => what !== undefined)?.what
  }
}
