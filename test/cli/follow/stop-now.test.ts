import { expect, test } from 'vitest'
import { endOfLastRecord, stopNow } from '../../../src/cli/follow/stop-now.ts'
import type { TextRow } from '../../../src/replication/catalog/queryable.ts'

/** A connection that answers each question with the next of these rows, and the last one for ever. */
function answering(...rows: TextRow[]) {
  let asked = 0
  return {
    get asked() {
      return asked
    },
    async query(sql: string) {
      if (sql.includes('pg_current_xact_id')) return [{ rows: [] }]
      const row = rows[Math.min(asked++, rows.length - 1)] ?? []
      return [{ rows: [row] }]
    },
  }
}
const untilTheEnd = new AbortController().signal

test('a commit that did not wait for the disk lies below: the flush LSN is waited for', async () => {
  const connection = answering(['f', '0/2000100', '8192'], ['0/20000A0'], ['0/20000A0'], ['0/2000100'])
  expect(await stopNow(connection, untilTheEnd)).toBe('0/2000100')
  expect(connection.asked).toBe(4)
})

test('a standby has on its disk what it replayed', async () => {
  const connection = answering(['t', '0/2000100', '8192'])
  expect(await stopNow(connection, untilTheEnd)).toBe('0/2000100')
  expect(connection.asked).toBe(1)
})

test('behind a page header, where no record ends, the end of the page before is meant', async () => {
  const connection = answering(['f', '0/3000028', '8192'], ['0/3000000'])
  expect(await stopNow(connection, untilTheEnd)).toBe('0/3000000')
  expect(endOfLastRecord(0x2002018n, 8192n)).toBe(0x2002000n)
  expect(endOfLastRecord(0x2002030n, 8192n)).toBe(0x2002030n)
})

test('it can be told to stop waiting', async () => {
  const connection = answering(['f', '0/2000100', '8192'], ['0/0'])
  const stop = new AbortController()
  const waiting = stopNow(connection, stop.signal)
  stop.abort(new Error('stopped'))
  await expect(waiting).rejects.toThrow()
})
