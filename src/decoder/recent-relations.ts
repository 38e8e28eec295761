import type { KnownRelation } from './known-relation.ts'

/** So many relations may have readers: more than a database has that are written all the time. */
const defaultMost = 500

/**
 * Bounds how many relations have readers, which are compiled, and by far the largest part of what is known of a relation.
 * What describes it must be kept: the server describes a relation again only when it has changed.
 */
export class RecentRelations {
  readonly #most: number
  readonly #withReaders = new Set<KnownRelation>()
  #uses = 0

  constructor(most = defaultMost) {
    this.#most = most
  }

  /** A row of this relation is read, after those of another. */
  use(known: KnownRelation): void {
    known.lastUse = ++this.#uses
    if (this.#withReaders.has(known)) return
    this.#withReaders.add(known)
    if (this.#withReaders.size > this.#most) this.#forgetHalf()
  }

  /** This one is described anew, or is not there any more. */
  drop(known: KnownRelation): void {
    this.#withReaders.delete(known)
  }

  /** Those that were used longest ago lose their readers. Half at a time, so that it happens seldom. */
  #forgetHalf(): void {
    const inOrder = [...this.#withReaders].sort((a, b) => a.lastUse - b.lastUse)
    for (const known of inOrder.slice(0, Math.ceil(this.#most / 2))) {
      known.forgetReaders()
      this.#withReaders.delete(known)
    }
  }
}
