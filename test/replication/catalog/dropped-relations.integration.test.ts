import { describe, expect, test } from 'vitest'
import { parseLsn } from '../../../src/protocol/messages/lsn.ts'
import { readDropped } from '../../../src/replication/catalog/dropped-relations.ts'
import { sharedServer, testVersions } from '../../server/index.ts'
import { connect, firstValue } from '../connect.ts'

describe.each(testVersions())('what PostgreSQL %i has no more', (version) => {
  test('is what was dropped, and not what others do not see yet: neither a table that is being made nor a drop', async () => {
    const url = await (await sharedServer(version)).createDatabase()
    using asking = await connect(url)
    using other = await connect(url)
    const make = async (name: string) => {
      await other.query(`CREATE TABLE public.${name} (id int)`)
      return Number(await firstValue(other, `SELECT 'public.${name}'::regclass::oid`))
    }
    const [lives, dropped, going] = [await make('lives'), await make('dropped'), await make('going')]
    await other.query('DROP TABLE public.dropped')
    await other.query('BEGIN; DROP TABLE public.going')
    const coming = await make('coming')
    const oids = [lives, dropped, going, coming]
    const before = parseLsn((await firstValue(asking, 'SELECT pg_current_wal_insert_lsn()')) ?? '')
    const look = await readDropped(asking, oids)
    expect(look.oids).toEqual([dropped])
    expect(look.before).toBeGreaterThanOrEqual(before)
    await other.query('COMMIT')
    expect((await readDropped(asking, oids)).oids).toEqual([dropped, going])
    expect((await readDropped(asking, [])).oids).toEqual([])
  })
})
