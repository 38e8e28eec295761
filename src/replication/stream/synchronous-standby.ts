import { type Queryable, queryRows } from '../catalog/queryable.ts'
import type { Logger } from '../logger.ts'

/** How often the server is asked: the setting may change while a stream runs. */
const lookIntervalMs = 10_000

export interface SynchronousStandbyParts {
  readonly ordinary: Queryable
  /** The process of the walsender. */
  readonly pid: number
  /** What the walsender is called, which is what synchronous_standby_names goes by. */
  readonly application: string
  readonly logger: Logger
}

/**
 * Whether the server takes a stream for a synchronous standby: then each commit waits until that stream has told that it
 * flushed it, whether or not the commit has anything for it. `synchronous_standby_names = '*'` is enough for that.
 */
export class SynchronousStandby {
  /** Whether commits wait for this stream. */
  holdsUpCommits = false
  readonly #parts: SynchronousStandbyParts
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #onChange: () => void = () => {}

  constructor(parts: SynchronousStandbyParts) {
    this.#parts = parts
  }

  /** Asks the server from now on, until {@link end}. */
  watch(onChange: () => void): void {
    this.#onChange = onChange
    this.#timer = setInterval(() => void this.#look(), lookIntervalMs)
    void this.#look()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      const holdsUp = await this.#ask()
      if (this.#timer === undefined || holdsUp === this.holdsUpCommits) return
      this.holdsUpCommits = holdsUp
      this.#say()
      this.#onChange()
    } catch {
      // whoever needs the catalog will meet the same, and this may come later
    } finally {
      this.#looking = false
    }
  }

  async #ask(): Promise<boolean> {
    const { ordinary, pid, application } = this.#parts
    const [[names, state] = []] = await queryRows(
      ordinary,
      `SELECT pg_catalog.current_setting('synchronous_standby_names'),
        (SELECT r.sync_state FROM pg_catalog.pg_stat_replication r WHERE r.pid = ${Math.trunc(pid)})`,
    )
    // only pg_read_all_stats may see the state
    return state ? state !== 'async' : isNamed(names ?? '', application)
  }

  #say(): void {
    const { application, logger } = this.#parts
    if (!this.holdsUpCommits) {
      logger.info({ application }, 'commits on the server do not wait for this feed any more')
      return
    }
    logger.warn(
      { application },
      `every commit on the server waits until this feed's consumer has acknowledged it: synchronous_standby_names has its application_name, ${application}, or *; name the standbys that are meant`,
    )
  }
}

/** Whether a walsender of this name is one of those in `synchronous_standby_names`. Names are compared without case. */
export function isNamed(synchronousStandbyNames: string, application: string): boolean {
  const list =
    /^\s*(?:(?:first|any)\s+)?\d+\s*\((.*)\)\s*$/is.exec(synchronousStandbyNames)?.[1] ?? synchronousStandbyNames
  const names = [...list.matchAll(/"((?:[^"]|"")*)"|[^\s,"]+/g)]
  return names.some(([name, quoted]) => {
    const called = quoted?.replaceAll('""', '"') ?? name
    return called === '*' || called.toLowerCase() === application.toLowerCase()
  })
}
