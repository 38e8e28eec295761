import { expect, test } from 'vitest'
import { Connection } from '../../../src/protocol/connection/connection.ts'
import { bootServer, makeStandby, outerVersions, type TestServer } from '../../server/index.ts'
import { resolved } from './connecting.ts'

test.each(outerVersions())(
  'each target is found among a standby and a primary, on PostgreSQL %i',
  async (version) => {
    await using primary = await bootServer({ version })
    await using standby = await bootServer({ version })
    await primary.stop('fast')
    await makeStandby(standby, { from: primary })
    await primary.start()
    await standby.start()
    const { superuser: user, password } = primary
    const reached = async (servers: readonly TestServer[], target: string, replication?: 'database') => {
      const connection = await Connection.open(
        await resolved({
          host: servers.map(({ host }) => host).join(','),
          port: servers.map(({ port }) => port).join(','),
          user,
          password,
          dbname: 'postgres',
          target_session_attrs: target,
        } as object),
        { replication },
      )
      const [answer] = await connection.query('SELECT pg_is_in_recovery()')
      await connection.close()
      return answer?.rows[0]?.[0] === 't' ? 'standby' : 'primary'
    }
    for (const replication of [undefined, 'database'] as const) {
      const found = async (target: string) => [
        await reached([standby, primary], target, replication),
        await reached([primary, standby], target, replication),
      ]
      expect(await found('any')).toEqual(['standby', 'primary'])
      for (const target of ['primary', 'read-write']) expect(await found(target)).toEqual(['primary', 'primary'])
      for (const target of ['standby', 'read-only', 'prefer-standby']) {
        expect(await found(target)).toEqual(['standby', 'standby'])
      }
      expect(await reached([primary], 'prefer-standby', replication)).toBe('primary')
      await expect(reached([standby], 'primary', replication)).rejects.toMatchObject({ code: 'target_not_met' })
    }
    await primary.reload({ default_transaction_read_only: true })
    await expect(reached([primary, standby], 'read-write')).rejects.toMatchObject({
      code: 'target_not_met',
      why: expect.stringMatching(/read-only.*; .*standby/),
    })
    expect(await reached([primary, standby], 'read-only')).toBe('primary')
    await primary.stop('fast')
    await expect(reached([primary, standby], 'primary')).rejects.toMatchObject({
      code: 'target_not_met',
      retryable: true,
    })
  },
  90_000,
)
