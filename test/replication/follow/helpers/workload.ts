import type { Sql } from 'postgres'

/** Tables of every sort of identity, for {@link writeAtRandom}. */
export const workloadTables = `
  CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance numeric(12, 2));
  CREATE TABLE notes (id text PRIMARY KEY, body text);
  ALTER TABLE notes ALTER COLUMN body SET STORAGE EXTERNAL;
  CREATE TABLE visits (place text, at timestamptz, note text);
  ALTER TABLE visits REPLICA IDENTITY FULL;
  ALTER TABLE visits ALTER COLUMN note SET STORAGE EXTERNAL;
  CREATE TABLE log (line text);
`
export const workloadTableNames = ['accounts', 'notes', 'visits', 'log'] as const

/** Numbers in [0, 1) that are the same for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export interface WorkloadOptions {
  readonly seed: number
  /** Whether TRUNCATE is among the statements. Default false. */
  readonly truncate?: boolean
  /** Asked after each transaction, with how many there were. */
  readonly goOn: (transactions: number) => boolean
}

/**
 * Writes transactions of a few statements in one session: inserts, updates of values and of keys, deletes, savepoints
 * that are rolled back, rollbacks of the whole. Sessions that run into each other's locks go on with the next one.
 */
export async function writeAtRandom(session: Sql, options: WorkloadOptions): Promise<void> {
  const random = randomNumbers(options.seed)
  for (let count = 0; options.goOn(count); count++) {
    const statements = Array.from({ length: 1 + Math.floor(random() * 8) }, () => statement(random))
    if (options.truncate && random() < 0.05) statements.push('TRUNCATE log')
    const ending = random() < 0.1 ? 'ROLLBACK' : 'COMMIT'
    try {
      await session.unsafe(['BEGIN', ...statements, ending].join(';')).simple()
    } catch (error) {
      if (!isConflict(error)) throw error
      await session.unsafe('ROLLBACK').simple()
    }
  }
}

function statement(random: () => number): string {
  const change = plainStatement(random)
  const chance = random()
  if (chance < 0.1) return `SAVEPOINT s; ${change}; ROLLBACK TO s`
  if (chance < 0.2) return `SAVEPOINT s; ${change}; RELEASE s`
  return change
}

function plainStatement(random: () => number): string {
  const number = (below: number) => Math.floor(random() * below)
  const word = () =>
    random()
      .toString(36)
      .slice(2, 2 + number(10))
  /** Long enough to be stored out of line. */
  const long = () => `repeat('${word()}-', ${900 + number(300)})`
  const pick = (list: readonly (() => string)[]) => list[number(list.length)]?.() ?? ''
  const anyRow = (table: string) => `ctid = (SELECT ctid FROM ${table} OFFSET ${number(20)} LIMIT 1)`
  return pick([
    () => `INSERT INTO accounts VALUES (${number(500)}, '${word()}', ${number(1e6) / 100}) ON CONFLICT DO NOTHING`,
    () => `INSERT INTO accounts VALUES (${number(500)}, NULL, 'NaN') ON CONFLICT (id) DO UPDATE SET owner = 'again'`,
    () => `UPDATE accounts SET balance = balance + 0.01 WHERE id % 10 = ${number(10)}`,
    () => `UPDATE accounts SET id = id + 1000 WHERE id = ${number(500)}`,
    () => `DELETE FROM accounts WHERE id % 50 = ${number(50)}`,
    () => `INSERT INTO notes VALUES ('${word()}', ${long()}) ON CONFLICT DO NOTHING`,
    () => `UPDATE notes SET id = id || '${number(10)}' WHERE ${anyRow('notes')}`,
    () => `UPDATE notes SET body = ${long()} WHERE ${anyRow('notes')}`,
    () => `DELETE FROM notes WHERE ${anyRow('notes')}`,
    () => `INSERT INTO visits VALUES ('${word()}', now(), ${long()}), ('${word()}', 'infinity', NULL)`,
    () => `UPDATE visits SET place = '${word()}' WHERE ${anyRow('visits')}`,
    () => `DELETE FROM visits WHERE ${anyRow('visits')}`,
    () => `INSERT INTO log SELECT 'line ' || i FROM generate_series(1, ${1 + number(20)}) i`,
  ])
}

/** A deadlock, a serialization failure, or a key that another session or row has taken. */
function isConflict(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['40P01', '40001', '23505'].includes(String(error.code))
}
