import { expect, test } from 'vitest'
import { Chance } from '../end-to-end/random.ts'
import { faults, isFaultKind } from './faults.ts'
import { deal } from './schedule.ts'
import { Session } from './session.ts'

const kinds = Object.keys(faults).filter(isFaultKind)

function dealt(seed: number, count: number) {
  const dealing = deal(new Chance(seed), kinds)
  return Array.from({ length: count }, () => {
    const { kind, pauseMs, afterCatchingUp } = dealing.next().value
    return { kind, pauseMs, afterCatchingUp }
  })
}

test('a seed deals the same faults again, and another seed others', () => {
  expect(dealt(7, 100)).toEqual(dealt(7, 100))
  expect(dealt(7, 100)).not.toEqual(dealt(8, 100))
})

test('every kind comes before one comes again', () => {
  for (const seed of [1, 2, 3]) {
    const round = dealt(seed, kinds.length).map(({ kind }) => kind)
    expect(new Set(round)).toEqual(new Set(kinds))
  }
})

test('a session that is told to leave something out decides the rest as one that is not', async () => {
  const { written: all } = await transactions(true)
  const { written: some } = await transactions(false)
  const isLeftOut = (statement: string) => /shapes|^TRUNCATE/.test(statement)
  const rest = (statements: readonly string[]) => statements.filter((statement) => !isLeftOut(statement))
  expect(all.some((statement) => statement.startsWith('ALTER'))).toBe(true)
  expect(some.some((statement) => /^(ALTER|TRUNCATE)/.test(statement))).toBe(false)
  expect(rest(some)).toEqual(rest(all))
})

async function transactions(mayAlter: boolean): Promise<{ written: string[] }> {
  const written: string[] = []
  const session = new Session(1, new Chance(5))
  const sql = { unsafe: async (statement: string) => void written.push(statement) }
  for (let count = 0; count < 300; count++) await session.write(sql, session.nextTransaction(), mayAlter)
  return { written }
}
