import { describe, expect, test } from 'vitest'
import { commandWords } from '../../../src/replication/slot/command-words.ts'
import { blockersHint, describeBlockers, type SlotBlocker } from '../../../src/replication/slot/slot-blockers.ts'

const session: SlotBlocker = {
  pid: 4711,
  gid: undefined,
  database: 'shop',
  user: 'web',
  state: 'idle in transaction',
  command: 'UPDATE',
  queryId: '-77',
  ageMs: 63_400,
}
const prepared: SlotBlocker = {
  ...session,
  pid: undefined,
  gid: "it's",
  state: undefined,
  command: undefined,
  queryId: undefined,
}

describe('what a slot waits for', () => {
  test('is named by process, role, database, age, state, command and query_id', () => {
    expect(describeBlockers({ blockers: [session], inRecovery: false })).toBe(
      'it waits for transactions that were open before it: ' +
        'process 4711, role web, database shop, open for 63 s, idle in transaction, latest command UPDATE, query_id -77',
    )
  })

  test('may belong to no process', () => {
    const report = { blockers: [prepared], inRecovery: false }
    expect(describeBlockers(report)).toContain(
      "prepared transaction 'it's' (no process), role web, database shop, open for 63 s",
    )
    expect(blockersHint(report)).toContain("ROLLBACK PREPARED 'it''s'")
    expect(blockersHint(report)).not.toContain('pg_read_all_stats')
  })

  test('may be hidden from the role', () => {
    const hidden = { ...session, state: undefined, command: undefined, queryId: undefined, ageMs: undefined }
    const report = { blockers: [hidden], inRecovery: false }
    expect(describeBlockers(report)).toContain('process 4711, role web, database shop, its activity is not visible')
    expect(blockersHint(report)).toContain('GRANT pg_read_all_stats')
  })

  test('is cut short where it is long or many', () => {
    const blockers = Array.from({ length: 8 }, (_, index) => ({ ...session, pid: index, database: 'x'.repeat(60) }))
    const text = describeBlockers({ blockers, inRecovery: false })
    expect(text).toContain('and 3 more')
    expect(text.length).toBeLessThan(1_000)
    expect(blockersHint({ blockers, inRecovery: false })).toContain('pg_terminate_backend(0)')
  })

  test('may be over, or a record of the primary', () => {
    expect(describeBlockers({ blockers: [], inRecovery: false })).toContain('no open transaction')
    expect(describeBlockers({ blockers: [], inRecovery: true })).toContain('the primary has written none')
    expect(blockersHint({ blockers: [], inRecovery: true })).toContain('pg_log_standby_snapshot()')
    expect(blockersHint({ blockers: [], inRecovery: false })).toContain('slotTimeoutMs')
  })
})

describe('of what another session runs', () => {
  test.each([
    ["alter role bob password 'hunter2'", 'ALTER ROLE'],
    ["/* hunter2 */ -- hunter2\n ALTER\nUSER hunter2 PASSWORD 'hunter2'", 'ALTER USER'],
    ["insert into hunter2 values ('hunter2')", 'INSERT INTO'],
    ['UPDATE hunter2 SET a = 1', 'UPDATE'],
    ['create or replace function hunter2()', 'CREATE OR REPLACE'],
    ["COPY hunter2 FROM PROGRAM 'hunter2'", 'COPY'],
    ['(SELECT hunter2)', 'SELECT'],
    ['COMMIT', 'COMMIT'],
    ['hunter2', undefined],
    ['/* hunter2', undefined],
    ['', undefined],
  ])('only words of SQL are shown: %s', (sql, words) => {
    expect(commandWords(sql)).toBe(words)
  })
})
