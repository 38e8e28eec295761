import { expect, test } from 'vitest'
import { bootServer, testVersions, waitUntil } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

test.each(testVersions())(
  'a type that is made and used in a commit that nobody else sees yet is waited for, on PostgreSQL %i (trap 57)',
  async (version) => {
    await using server = await bootServer({ version })
    await using source = await Source.make(server, 'CREATE TABLE t (id int PRIMARY KEY)')
    const reader = await source.followChanges()
    // a commit that waits for a standby is on the disk, and sent, but other sessions do not see it
    await server.reload({ synchronous_standby_names: 'nobody' })
    const committing = source.writeTogether(
      'CREATE DOMAIN quantity AS int CHECK (value > 0)',
      'CREATE TABLE stock (id int PRIMARY KEY, quantity quantity)',
      'INSERT INTO stock VALUES (1, 5)',
    )
    const observer = source.session()
    await waitUntil('the commit to wait for a standby', async () => {
      const waiting = await observer`SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'`
      return waiting.length > 0
    })
    const inserted = reader.until('the row', ({ events }) => events.some(({ kind }) => kind === 'insert'))
    await waitUntil('the feed to look for the type', async () => {
      const looking = await observer`
        SELECT FROM pg_stat_activity WHERE query ~ 'rngmultitypid|pg_current_snapshot' AND datname = current_database() AND pid <> pg_backend_pid()`
      return looking.length > 0
    })
    await server.reload({ synchronous_standby_names: null })
    await committing
    await inserted
    const [row] = reader.events.flatMap((event) => (event.kind === 'insert' ? [event.new] : []))
    expect(row).toEqual({ id: 1, quantity: 5 })
  },
)
