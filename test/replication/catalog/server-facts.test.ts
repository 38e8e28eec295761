import { describe, expect, test } from 'vitest'
import { checkServer, parseServerFacts, reached } from '../../../src/replication/catalog/server-facts.ts'

const identity = { systemId: '7711150196567484235', timeline: 2, xlogpos: 0x30000d8n, dbname: 'shop' }
const facts = ['170010', 'f', 'logical', '60000', 'feeder', 't', '0/3000100', null]
const primary = parseServerFacts(identity, facts)

describe('server facts', () => {
  test('of a primary', () => {
    expect(primary).toEqual({
      systemId: '7711150196567484235',
      timeline: 2,
      flushLsn: 0x30000d8n,
      insertLsn: 0x3000100n,
      replayLsn: undefined,
      database: 'shop',
      version: 170_010,
      inRecovery: false,
      walLevel: 'logical',
      role: 'feeder',
      canReplicate: true,
      walSenderTimeoutMs: 60_000,
    })
    expect(reached(primary)).toBe(0x30000d8n)
  })

  test('of a standby', () => {
    const standby = parseServerFacts(identity, ['160004', 't', 'logical', '0', 'feeder', 'f', null, '0/2FFFFFF'])
    expect(standby).toMatchObject({
      inRecovery: true,
      insertLsn: undefined,
      replayLsn: 0x2ffffffn,
      canReplicate: false,
    })
    expect(standby.walSenderTimeoutMs).toBe(0)
    expect(reached(standby)).toBe(0x2ffffffn)
  })

  test('of a connection without a database are refused', () => {
    expect(() => parseServerFacts({ ...identity, dbname: undefined }, facts)).toThrow(
      expect.objectContaining({ code: 'bad_connection' }),
    )
  })
})

describe('a server', () => {
  test('of 14 and newer with wal_level logical serves', () => {
    checkServer(primary)
    checkServer({ ...primary, version: 140_000 })
    checkServer({ ...primary, version: 160_000, inRecovery: true })
  })

  test.each([
    ['before 14', { version: 130_022 }, 'unsupported_server', '13'],
    ['that is a standby before 16', { version: 150_018, inRecovery: true }, 'unsupported_server', '15'],
    ['with wal_level replica', { walLevel: 'replica' }, 'wal_level', 'replica'],
    ['with wal_level minimal', { walLevel: 'minimal' }, 'wal_level', 'minimal'],
  ])('%s is refused', (_what, facts, code, named) => {
    expect(() => checkServer({ ...primary, ...facts })).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(named) }),
    )
  })
})
