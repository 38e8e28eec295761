import { formatLsn, parseLsn } from '../protocol/messages/lsn.ts'
import { CopiedTables } from './copied-tables.ts'

/*
 * Positions as releases before 0.2 wrote them, which are read for ever. They list every table of a snapshot with its state,
 * know no members, and do not say how many events of copies were delivered; but the list says how many.
 */

type Fields = Readonly<Record<string, unknown>>

interface SnapshotTable {
  readonly oid: number
  readonly table: string
  readonly at: string
  readonly rows: number
  readonly state: 'waiting' | 'copying' | 'done'
}

export function isFormat1(value: Fields): boolean {
  return value.version === 1
}

/**
 * The same position in format 2. Nothing is checked that is the same in both: what is wrong there is wrong in the answer.
 * What should be a list of tables and is none is given as a list, which is wrong in format 2.
 */
export function fromFormat1(value: Fields): Fields {
  const { systemId, timeline, database, slot, consistentPoint, options, phase, lsn, tx, tables } = value
  return {
    version: 2,
    systemId,
    timeline,
    database,
    slot,
    ...(consistentPoint === undefined ? {} : { consistentPoint }),
    options,
    phase,
    lsn,
    ...(tx === undefined ? {} : { tx }),
    ...(tables === undefined ? {} : isTableList(tables) ? describeCopy(tables, consistentPoint) : { tables: [tables] }),
  }
}

/**
 * By which rows of the catalog a table was published is not known, so that none counts as the table that it was. Where its
 * name has a point, that it was not in the name of its schema is a guess.
 */
function describeCopy(tables: readonly SnapshotTable[], consistentPoint: unknown): Fields {
  const done = new CopiedTables()
  const copying: object[] = []
  let copied = 0
  for (const { oid, table, at, rows, state } of tables) {
    if (state === 'waiting') continue
    copied += rows + (state === 'done' ? 2 : 1)
    const point = table.indexOf('.', 1)
    const schema = table.slice(0, point)
    const name = table.slice(point + 1)
    const differs = at !== consistentPoint
    if (state === 'copying') copying.push({ oid, schema, name, at, rows })
    else
      done.add({
        schema,
        name,
        members: [{ table: oid, membership: 0 }],
        at: differs ? formatLsn(parseLsn(at)) : undefined,
      })
  }
  return {
    tables: { ...(done.text === '' ? {} : { done: done.text }), ...(copying.length === 0 ? {} : { copying }) },
    ...(copied === 0 ? {} : { copied }),
  }
}

function isTableList(value: unknown): value is SnapshotTable[] {
  return Array.isArray(value) && value.every(isSnapshotTable)
}

function isSnapshotTable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { oid, table, at, rows, state }: Partial<Record<keyof SnapshotTable, unknown>> = value
  const isKnownState = state === 'waiting' || state === 'copying' || state === 'done'
  return isKnownState && typeof table === 'string' && /.\../su.test(table) && isLsn(at) && [oid, rows].every(isCount)
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isLsn(value: unknown): boolean {
  try {
    return typeof value === 'string' && parseLsn(value) >= 0n
  } catch {
    return false
  }
}
