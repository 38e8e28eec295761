/** Lets one waiter sleep until somebody has news, or for some time. News that come while nobody waits are kept. */
export class Waker {
  #news = false
  #wake: (() => void) | undefined

  wake(): void {
    this.#news = true
    this.#wake?.()
  }

  /** @param ms how long at most; undefined means until news come */
  wait(ms: number | undefined): Promise<void> {
    if (this.#news) {
      this.#news = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => this.#wake?.(), ms)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        this.#news = false
        resolve()
      }
    })
  }
}
