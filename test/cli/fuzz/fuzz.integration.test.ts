import { PassThrough } from 'node:stream'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { fuzz } from '../../../src/cli/fuzz/fuzz.ts'
import { chooseTypes } from '../../../src/cli/fuzz/fuzz-arguments.ts'
import { ProgressLine } from '../../../src/cli/fuzz/progress-line.ts'
import type { PgType } from '../../../src/decoder/types/registry.ts'
import type { Output } from '../../../src/delivery/file/output.ts'
import { tryShare } from '../../../src/fuzz/share.ts'
import type { AlterType } from '../../../src/fuzz/watched-types.ts'
import { resolveConnection } from '../../../src/protocol/connection/resolve-connection.ts'
import { silentLogger } from '../../../src/replication/logger.ts'
import { sharedServer, testVersions, waitUntil } from '../../server/index.ts'
import { run, start } from '../command.ts'

const databaseNames = (text: string) => text.match(/walwire_fuzz_\w+/g) ?? []

/** What is left of the databases that were named, and of slots in them. */
async function leftovers(url: string, text: string): Promise<unknown[]> {
  const names = databaseNames(text)
  expect(names).not.toEqual([])
  const sql = postgres(url, { max: 1 })
  const rows = await sql`
    SELECT datname FROM pg_database WHERE datname IN ${sql(names)}
    UNION ALL SELECT slot_name FROM pg_replication_slots WHERE database IN ${sql(names)}`
  await sql.end()
  return [...rows]
}

describe.each(testVersions())('PostgreSQL %i', (version) => {
  async function tryTypes(options: { types?: string[]; runs: number; alter?: AlterType }) {
    const server = await sharedServer(version)
    const lines: string[] = []
    const output: Output = {
      path: undefined,
      length: 0,
      async write(more) {
        lines.push(...more)
      },
      async sync() {},
      async close() {},
    }
    const { types, runs, alter } = options
    const stop = new AbortController().signal
    const connection = await resolveConnection(server.uri('postgres'))
    const code = await fuzz(
      { url: undefined, types, runs, durationMs: undefined, seed: 20_261_126 },
      {
        description: connection.description,
        stop,
        output,
        progress: new ProgressLine(new PassThrough()),
        shares: 1,
        tryShare: (request, watch) =>
          tryShare(request, {
            postgres,
            server: connection,
            choose: chooseTypes,
            logger: silentLogger,
            stop,
            alter,
            ...watch,
          }),
      },
    )
    expect(await leftovers(server.uri('postgres'), lines.join('\n'))).toEqual([])
    return { code, lines }
  }

  test('takes values of every type and gives them back as they are, on every way', { timeout: 120_000 }, async () => {
    const { code, lines } = await tryTypes({ runs: 25 })
    expect(lines.filter((line) => /differs|does not take|cannot be made/.test(line))).toEqual([])
    expect(code).toBe(0)
    const [, values, types] = /^(\d+) values, (\d+) types, 0 mismatches, seed 20261126$/.exec(lines.at(-1) ?? '') ?? []
    expect(Number(types)).toBeGreaterThan(200)
    expect(Number(values)).toBe(25 * Number(types))
  })

  /** Breaks one type. */
  const breaking =
    (label: string, change: (type: PgType) => Partial<PgType>): AlterType =>
    (type) =>
      type.label === label ? { ...type, ...change(type) } : type
  const broken: readonly [story: string, types: string[], alter: AlterType, shown: readonly string[]][] = [
    [
      'a reader of binary values that takes large numbers for others is found, with the least of them',
      ['int4'],
      breaking('int4', ({ readBinary }) => ({
        readBinary: (bytes, start, end) => {
          const value = readBinary?.(bytes, start, end)
          return typeof value === 'number' && value >= 1000 ? value + 1 : value
        },
      })),
      ['pgoutput binary  1001', 'COPY binary      1001', "SQL              SELECT '1000'::int4;"],
    ],
    [
      'a reader of text that throws does not hide what stands beside it',
      ['text', 'varchar'],
      breaking('varchar', ({ readText }) => ({
        readText: (bytes, start, end) => {
          if (bytes[start] === 0x7b) throw new Error('a brace')
          return readText(bytes, start, end)
        },
      })),
      ['COPY text        an error: a brace', 'pgoutput text    an error: a brace', "SELECT '{'::varchar;"],
    ],
    [
      'a writer whose text the server reads as another value',
      ['numeric'],
      breaking('numeric', ({ encodeText }) => ({
        encodeText: (value) => encodeText(value).replace(/(\.\d+)0$/, '$1'),
      })),
      ['encodeText', 'which the server reads as another value'],
    ],
    [
      'a writer whose text the server does not take',
      ['date'],
      breaking('date', ({ encodeText }) => ({ encodeText: (value) => encodeText(value).replace(' BC', ' before') })),
      ['which the server does not take', ' BC'],
    ],
    [
      'a writer of binary values that loses the sign of zero',
      ['float8'],
      breaking('float8', ({ encodeBinary }) => ({
        encodeBinary: (value) => encodeBinary?.(Object.is(value, -0) ? 0 : value) ?? new Uint8Array(),
      })),
      ['encodeBinary', "SELECT '-0'::float8;"],
    ],
  ]
  if (version === testVersions()[0]) {
    test.each(broken)('%s', { timeout: 60_000 }, async (_, types, alter, shown) => {
      const { code, lines } = await tryTypes({ types, runs: 300, alter })
      expect(code).toBe(1)
      for (const text of shown) expect(lines.join('\n')).toContain(text)
      const differing = types.at(-1)
      expect(lines.filter((line) => line.includes('differs'))).toEqual([expect.stringMatching(`^${differing} differs`)])
      expect(lines.at(-1)).toMatch(/, [1-9]\d* mismatches, seed 20261126$/)
    })
  }
})

const version = testVersions()[0] ?? 17

describe('walwire fuzz', () => {
  test('boots a server of its own, ends with the line that sums it up and 0', { timeout: 60_000 }, async () => {
    const { code, stdout, stderr } = await run(['fuzz', '--types', 'int4,text[],item', '--runs', '30', '--seed', '3'])
    expect(stderr).toBe('')
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('90 values, 3 types, 0 mismatches, seed 3')
    expect(code).toBe(0)
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('%s ends it with what was tried; nothing is left', async (signal) => {
    const server = await sharedServer(version)
    await using running = start(['fuzz', server.uri('postgres')])
    await waitUntil('the databases are made', () => databaseNames(running.stdout).length === 2)
    running.signal(signal)
    const { code, stderr } = await running.finished
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(running.stdout).toContain(`ended by ${signal}`)
    expect(await leftovers(server.uri('postgres'), running.stdout)).toEqual([])
  })

  test('a signal in the middle of a round ends it soon, with the table', async () => {
    const server = await sharedServer(version)
    await using running = start(['fuzz', server.uri('postgres'), '--duration', '1h', '--types', 'int4'])
    const sql = postgres(server.uri('postgres'), { max: 1 })
    await waitUntil('many transactions went through', async () => {
      const rows = await sql`
        SELECT FROM pg_stat_database WHERE datname = ${databaseNames(running.stdout)[0] ?? ''} AND xact_commit > 300`
      return rows.length > 0
    })
    await sql.end()
    running.signal('SIGINT')
    const { code, stdout } = await running.finished
    expect(code).toBe(0)
    expect(stdout).toMatch(/ended by SIGINT\n\d+ values, 1 types, 0 mismatches, seed \d+\n$/)
    expect(await leftovers(server.uri('postgres'), running.stdout)).toEqual([])
  })

  test('a role that may make no database is told what it lacks', async () => {
    const server = await sharedServer(version)
    const sql = postgres(server.uri('postgres'), { max: 1 })
    await sql.unsafe(`CREATE ROLE fuzz_guest LOGIN REPLICATION PASSWORD 'guest'`)
    const uri = server.uri('postgres', { user: 'fuzz_guest', password: 'guest' })
    const { code, stderr } = await run(['fuzz', uri])
    await sql.unsafe('DROP ROLE fuzz_guest')
    await sql.end()
    expect(code).toBe(1)
    expect(stderr).toContain('ALTER ROLE "fuzz_guest" CREATEDB')
  })

  test('a type that nobody knows is wrong usage', async () => {
    const server = await sharedServer(version)
    const { code, stderr } = await run(['fuzz', server.uri('postgres'), '--types', 'txt'])
    expect(code).toBe(2)
    expect(stderr).toContain('did you mean text?')
  })
})
