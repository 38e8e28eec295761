import { describe, expect, test } from 'vitest'
import { blockersHint, describeBlockers, type SlotBlocker } from '../../../src/replication/slot/slot-blockers.ts'

const session: SlotBlocker = {
  pid: 4711,
  gid: undefined,
  database: 'shop',
  user: 'web',
  state: 'idle in transaction',
  query: 'UPDATE goods\n   SET price = 1',
  ageMs: 63_400,
}
const prepared: SlotBlocker = { ...session, pid: undefined, gid: "it's", state: undefined, query: undefined }

describe('what a slot waits for', () => {
  test('is named by process, role, database, age, state and query', () => {
    expect(describeBlockers({ blockers: [session], inRecovery: false })).toBe(
      'it waits for transactions that were open before it: ' +
        'process 4711, role web, database shop, open for 63 s, idle in transaction: UPDATE goods SET price = 1',
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
    const hidden = { ...session, state: undefined, query: undefined, ageMs: undefined }
    const report = { blockers: [hidden], inRecovery: false }
    expect(describeBlockers(report)).toContain('process 4711, role web, database shop: its query is not visible')
    expect(blockersHint(report)).toContain('GRANT pg_read_all_stats')
  })

  test('is cut short where it is long or many', () => {
    const blockers = Array.from({ length: 8 }, (_, index) => ({ ...session, pid: index, query: 'x'.repeat(1_000) }))
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
