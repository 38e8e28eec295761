import type { ResolvedConnection } from '../protocol/connection/connection-options.ts'
import { orAbort } from '../replication/abortable.ts'
import type { Logger } from '../replication/logger.ts'
import type { Cell } from './batch.ts'
import type { FuzzedType } from './forms/fuzzed-types.ts'
import { createFuzzDatabase } from './fuzz-database.ts'
import { shrinkFindings, tryValues } from './rounds.ts'
import type { ShrunkFinding } from './shrink.ts'
import { type Progress, Tally, type TypeTally } from './tally.ts'
import type { AlterType } from './watched-types.ts'
import { openWorkplace } from './workplace.ts'
import type { PostgresModule } from './writing-session.ts'

/** What is tried: a part of all types, each of the parts in a database of its own. */
export interface ShareRequest {
  /** The names of types; undefined: all. */
  readonly types: readonly string[] | undefined
  /** Values of each type; undefined: no end but the time's. */
  readonly runs: number | undefined
  readonly durationMs: number | undefined
  readonly seed: number
  /** Which of how many shares this is. */
  readonly share: { readonly index: number; readonly of: number }
}

/** What a share is given besides. */
export interface ShareParts {
  readonly postgres: PostgresModule
  readonly server: ResolvedConnection
  /** Finds the types of these names, and fails for one that there is not. */
  readonly choose: (names: readonly string[] | undefined, types: readonly FuzzedType[]) => readonly FuzzedType[]
  readonly logger: Logger
  readonly stop: AbortSignal
  readonly onDatabase: (name: string) => void
  readonly onProgress: (progress: Progress) => void
  /** Breaks a type: for a test that wants to see it found. */
  readonly alter?: AlterType | undefined
}

/** A value that the server did not take. */
export interface RefusedValue {
  readonly type: string
  readonly cell: Cell
}

/** A value that differs, as small as it could be made. */
export interface FoundValue extends Pick<ShrunkFinding, 'cell' | 'text' | 'problems' | 'shrinks'> {
  readonly type: string
}

/** What came of a share: plain data, since another thread may have done it. */
export interface ShareResult {
  readonly tallies: readonly (TypeTally & { readonly place: number })[]
  /** Extensions that could not be made. */
  readonly missing: readonly string[]
  /** Of each type the first value that the server did not take, and the first that differs. */
  readonly refusals: readonly RefusedValue[]
  readonly findings: readonly FoundValue[]
}

/** Tries the values of a share in a database of its own. What was stopped gives what was found so far. */
export async function tryShare(request: ShareRequest, parts: ShareParts): Promise<ShareResult> {
  const { types: wanted, runs, durationMs, seed, share } = request
  const { postgres, server, choose: chooseTypes, logger, stop, onDatabase, onProgress, alter } = parts
  await using database = await createFuzzDatabase(server)
  onDatabase(database.name)
  const tally = new Tally()
  const places = new Map<string, number>()
  const missing: string[] = []
  const over = durationMs === undefined ? undefined : AbortSignal.timeout(durationMs)
  const choose = (all: readonly FuzzedType[]) => {
    const chosen = chooseTypes(wanted, all)
    for (const [place, { name }] of chosen.entries()) places.set(name, place)
    // by pairs: a type stands beside its arrays, which take more time
    return chosen.filter((_, place) => Math.floor(place / 2) % share.of === share.index)
  }
  const shrunk = await untilStopped(stop, async () => {
    const opening = openWorkplace({ postgres, connection: database.connection, choose, alter, logger, signal: stop })
    await using workplace = await orAbort(opening, stop)
    const { bench, types } = workplace
    tally.begin(types.map(({ name }) => name))
    missing.push(...workplace.missing)
    await tryValues(bench, tally, { seed, types, runs, over, stop }, onProgress)
    return await shrinkFindings(bench, tally, stop)
  })
  const findings = shrunk ?? tally.firstFindings.map(({ finding }) => ({ ...finding, shrinks: 0 }))
  return {
    tallies: tally.types.map((type) => ({ ...type, place: places.get(type.name) ?? 0 })),
    missing,
    refusals: tally.firstRefusals.map(({ type, cell }) => ({ type: type.name, cell })),
    findings: findings.map(({ type, cell, text, problems, shrinks }) => ({
      type: type.name,
      cell,
      text,
      problems,
      shrinks,
    })),
  }
}

/** What comes of the work, or undefined where it was stopped. */
async function untilStopped<Result>(stop: AbortSignal, work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    if (stop.aborted) return undefined
    throw error
  }
}
