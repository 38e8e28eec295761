/** Something that waits until it is let go. */
export class Gate {
  /** Resolves when something waits here. */
  readonly reached: Promise<void>
  readonly #opened: Promise<void>
  #reach: () => void = () => {}
  open: () => void = () => {}

  constructor() {
    this.reached = new Promise((done) => {
      this.#reach = done
    })
    this.#opened = new Promise((done) => {
      this.open = done
    })
  }

  async pass(): Promise<void> {
    this.#reach()
    await this.#opened
  }
}
