import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Connection } from '../../../src/protocol/connection/connection.ts'
import { quoteIdentifier, quoteLiteral } from '../../../src/protocol/messages/quote.ts'
import {
  createSlotCommand,
  dropSlotCommand,
  identifySystemCommand,
  readCreateSlot,
  readIdentifySystem,
  readShow,
  showCommand,
  startReplicationCommand,
} from '../../../src/protocol/messages/replication-commands.ts'
import {
  decodeReplication,
  encodeStandbyStatusUpdate,
  type ReplicationMessage,
} from '../../../src/protocol/messages/replication-messages.ts'
import { backendTag } from '../../../src/protocol/messages/tags.ts'
import { sharedServer, testVersions } from '../../server/index.ts'
import { open, runOnce, value } from './real.ts'

/** What a copy gives until the condition holds, or it ends. */
async function pull<T>(
  connection: Connection,
  read: (bytes: Uint8Array, start: number, end: number) => T,
  enough: (sofar: readonly T[]) => boolean = () => false,
): Promise<T[]> {
  const { framer } = connection
  const got: T[] = []
  do {
    while (framer.next()) {
      if (framer.tag === backendTag.CopyData) got.push(read(framer.bytes, framer.start, framer.end))
      else if (connection.sideMessage() !== 'handled') return got
      if (enough(got)) return got
    }
  } while (await connection.more())
  throw connection.failure
}

const line = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.subarray(start, end)).toString('utf8')

describe.each(testVersions())('PostgreSQL %i', (version) => {
  describe('a session', () => {
    test('answers queries', async () => {
      const server = await sharedServer(version)
      const connection = await open(await server.createDatabase())
      expect(connection.serverVersion).toBe(server.versionNum)
      expect(String(connection.processId)).toBe(await value(connection, 'select pg_backend_pid()'))
      expect(await connection.query("select 1 as a, null as b; select 'ü'; create table public.t ()")).toEqual([
        { columns: ['a', 'b'], rows: [['1', null]], command: 'SELECT 1' },
        { columns: ['?column?'], rows: [['ü']], command: 'SELECT 1' },
        { columns: [], rows: [], command: 'CREATE TABLE' },
      ])
      expect(await connection.query('')).toEqual([{ columns: [], rows: [], command: '' }])
      await connection.close()
      expect((await connection.ended).code).toBe('connection_closed')
    })

    test('goes on after an error, and knows its place', async () => {
      const server = await sharedServer(version)
      const connection = await open(server.uri())
      await expect(connection.query('select 1; select 1/0; select 2')).rejects.toMatchObject({
        code: 'server_error',
        sqlstate: '22012',
        why: 'ERROR 22012: division by zero',
      })
      await expect(connection.query("select 'x'::no_such_type")).rejects.toMatchObject({ sqlstate: '42704' })
      expect(await value(connection, 'select 1')).toBe('1')
    })

    test('tells notices', async () => {
      const server = await sharedServer(version)
      const notices: string[] = []
      const connection = await open(server.uri(), {
        settings: { client_min_messages: 'notice' },
        onNotice: (notice) => notices.push(notice.message),
      })
      await connection.query("do $$ begin raise notice 'hear ye'; end $$")
      expect(notices).toEqual(['hear ye'])
    })

    test('keeps texts as they are through quoteLiteral, whatever standard_conforming_strings says', async () => {
      const server = await sharedServer(version)
      for (const conforming of ['on', 'off']) {
        const connection = await open(server.uri(), { settings: { standard_conforming_strings: conforming } })
        for (const text of ["it's", 'a\\b', "\\'; select 2; --", 'ü\u{1f600}', "'", '\\', '']) {
          expect(await value(connection, `select${quoteLiteral(text)}`)).toBe(text)
          if (text !== '') {
            const [result] = await connection.query(`select 1 as ${quoteIdentifier(text)}`)
            expect(result?.columns).toEqual([text])
          }
        }
      }
    })

    test('never takes for text what is none, in an SQL_ASCII database', async () => {
      const server = await sharedServer(version)
      const url = await server.createDatabase({ encoding: 'SQL_ASCII' })
      const sql = "select 'x' || convert_from('\\xff', 'SQL_ASCII')"
      // it checks even what it does not convert
      const checked = await open(url)
      await expect(checked.query(sql)).rejects.toMatchObject({ code: 'server_error', sqlstate: '22021' })
      const connection = await open(url, { clientEncoding: (serverEncoding) => serverEncoding })
      await expect(connection.query(sql)).rejects.toMatchObject({ code: 'invalid_text' })
      expect((await connection.queryBytes(sql))[0]?.rows).toEqual([[Uint8Array.of(0x78, 0xff)]])
    })
  })

  describe('a copy', () => {
    test('gives every row, and then the connection can be used again', async () => {
      const server = await sharedServer(version)
      const connection = await open(server.uri(), { maxBufferedBytes: 10_000 })
      expect(
        await connection.copy('copy (select repeat(i::text, 200) from generate_series(1, 5000) i) to stdout'),
      ).toBe('out')
      const rows = await pull(connection, line)
      expect(rows.length).toBe(5000)
      expect(rows[4999]).toBe(`${'5000'.repeat(200)}\n`)
      expect(await connection.endCopy()).toEqual(['COPY 5000'])
      expect(await value(connection, 'select 1')).toBe('1')
    })

    test('gives a row of 20 MB through a buffer of 10 kB', async () => {
      const server = await sharedServer(version)
      const connection = await open(server.uri(), { maxBufferedBytes: 10_000 })
      await connection.copy("copy (select repeat('x', 20000000)) to stdout")
      const rows = await pull(connection, (_, start, end) => end - start)
      expect(rows).toEqual([20_000_001])
      await connection.endCopy()
    })

    test('that fails in the middle throws, and the connection can be used again', async () => {
      const server = await sharedServer(version)
      const connection = await open(server.uri())
      await connection.copy('copy (select 10 / (3 - i) from generate_series(1, 5) i) to stdout')
      await expect(pull(connection, line)).rejects.toMatchObject({ sqlstate: '22012' })
      await connection.endCopy()
      expect(await value(connection, 'select 1')).toBe('1')
    })

    test('that is cancelled throws, and the connection can be used again', async () => {
      const server = await sharedServer(version)
      const connection = await open(server.uri(), { maxBufferedBytes: 10_000 })
      await connection.copy('copy (select generate_series(1, 100000000)) to stdout')
      await connection.cancel()
      await expect(connection.endCopy()).rejects.toMatchObject({ code: 'cancelled' })
      expect(await value(connection, 'select 1')).toBe('1')
    })
  })

  test('a query can be cancelled', async () => {
    const server = await sharedServer(version)
    const connection = await open(server.uri())
    const sleeping = connection.query('select pg_sleep(60)')
    await Promise.all([
      expect(sleeping).rejects.toMatchObject({ code: 'cancelled', sqlstate: '57014' }),
      delay(50).then(() => connection.cancel()),
    ])
    expect(await value(connection, 'select 1')).toBe('1')
  })

  test('a query with a limit leaves no backend waiting for a lock behind, and the connection can be used again', async () => {
    const server = await sharedServer(version)
    const url = await server.createDatabase()
    const holder = await open(url)
    await holder.query('create table public.t ()')
    await holder.query('begin; lock table public.t')
    const connection = await open(url)
    await expect(connection.query('select from public.t', { limitMs: 100 })).rejects.toMatchObject({
      code: 'query_timeout',
      sqlstate: '57014',
      retryable: true,
    })
    const waiting =
      "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    expect(await value(holder, waiting)).toBe('0')
    expect(await connection.query('select 1', { limitMs: 60_000 })).toHaveLength(1)
  })

  test('an idle connection notices that an administrator ended it', async () => {
    const server = await sharedServer(version)
    const connection = await open(server.uri())
    const admin = await open(server.uri())
    await admin.query(`select pg_terminate_backend(${connection.processId})`)
    expect(await connection.ended).toMatchObject({ code: 'server_stopping', sqlstate: '57P01', retryable: true })
  })

  test('a slot is made, followed and dropped', async () => {
    const server = await sharedServer(version)
    const url = await server.createDatabase()
    const sql = await open(url)
    await sql.query('create table public.t (a int); create publication "p""q" for table public.t')
    const connection = await open(url, { replication: 'database' })
    const identity = readIdentifySystem((await connection.query(identifySystemCommand))[0])
    expect(identity.dbname).toBe(await value(sql, 'select current_database()'))
    expect(identity.systemId).toBe(await value(sql, 'select system_identifier from pg_control_system()'))
    expect(readShow((await connection.query(showCommand('wal_level')))[0])).toBe('logical')
    expect(readShow((await connection.query('SHOW server_version_num'))[0])).toBe(String(server.versionNum))
    // timeline 1 has no history
    await expect(connection.query('TIMELINE_HISTORY 1')).rejects.toMatchObject({ sqlstate: '58P01' })

    const slot = `walwire_protocol_${process.pid}_${version}`
    for (const snapshot of ['export', 'nothing', 'use'] as const) {
      if (snapshot === 'use') await connection.query('BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ')
      const command = createSlotCommand({ slot, temporary: true, snapshot, serverVersion: server.versionNum })
      const created = readCreateSlot((await connection.query(command))[0])
      expect(created).toMatchObject({ slotName: slot, outputPlugin: 'pgoutput' })
      expect(created.consistentPoint).toBeGreaterThan(0n)
      expect(created.snapshotName === undefined).toBe(snapshot !== 'export')
      if (snapshot === 'use') await connection.query('COMMIT')
      await connection.query(dropSlotCommand(slot, true))
    }
    const options = { ...(version >= 15 ? { twoPhase: true } : {}), ...(version >= 17 ? { failover: true } : {}) }
    await connection.query(
      createSlotCommand({ slot, snapshot: 'nothing', serverVersion: server.versionNum, ...options }),
    )
    onTestFinished(() =>
      runOnce(
        url,
        `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '${slot}' and not active`,
      ),
    )
    await sql.query('insert into public.t values (1)')

    const start = { slot, from: 0n, publications: ['p"q'], protoVersion: 1 } as const
    expect(await connection.copy(startReplicationCommand({ ...start, messages: true }))).toBe('both')
    const status = { write: 0n, flush: 0n, apply: 0n, clock: BigInt(Date.now()) * 1000n, replyRequested: true }
    connection.write(encodeStandbyStatusUpdate(status))
    const seen = await pull(connection, decodeReplication, (sofar) => {
      const tags = sofar.map((message) =>
        message.type === 'XLogData' ? String.fromCharCode(message.data[0] ?? 0) : '',
      )
      return tags.includes('C') && sofar.some((message) => message.type === 'PrimaryKeepalive')
    })
    const letters = seen.flatMap((message) =>
      message.type === 'XLogData' ? [String.fromCharCode(message.data[0] ?? 0)] : [],
    )
    expect(letters).toEqual(['B', 'R', 'I', 'C'])
    for (const message of seen) expect(aboutNow(message)).toBe(true)
    // trap 65: the server understood our clock
    const replyTime = await value(
      sql,
      `select extract(epoch from now() - reply_time) from pg_stat_replication where pid = ${connection.processId}`,
    )
    expect(Math.abs(Number(replyTime))).toBeLessThan(60)
    expect(await connection.endCopy()).toEqual(['COPY 0', 'START_REPLICATION'])
    expect(readShow((await connection.query(showCommand('wal_level')))[0])).toBe('logical')
    await connection.query(dropSlotCommand(slot))
  })

  test('a walsender that an administrator ends says so, and the stream before it is whole', async () => {
    const server = await sharedServer(version)
    const url = await server.createDatabase()
    const sql = await open(url)
    await sql.query('create table public.t (a int); create publication p for table public.t')
    const connection = await open(url, { replication: 'database' })
    const slot = `walwire_protocol_ended_${process.pid}_${version}`
    await connection.query(
      createSlotCommand({ slot, temporary: true, snapshot: 'nothing', serverVersion: server.versionNum }),
    )
    await connection.copy(startReplicationCommand({ slot, from: 0n, publications: ['p'], protoVersion: 1 }))
    await sql.query('insert into public.t values (1)')
    await pull(connection, decodeReplication, (sofar) => sofar.some((m) => m.type === 'XLogData' && m.data[0] === 0x43))
    await sql.query(`select pg_terminate_backend(${connection.processId})`)
    // nobody pulls
    expect(await connection.ended).toMatchObject({ code: 'server_stopping', sqlstate: '57P01' })
  })

  test('refusals of the server have codes of their own', async () => {
    const server = await sharedServer(version)
    const admin = await open(server.uri())
    const role = `walwire_protocol_${process.pid}_${version}`
    await admin.query(`create role ${role} login password 'right'`)
    onTestFinished(() => runOnce(server.uri(), `drop role ${role}`))
    const as = (overrides: object) => server.uri('postgres', { user: role, password: 'right', ...overrides })
    await expect(open(as({ password: 'wrong' }))).rejects.toMatchObject({ code: 'auth_failed', sqlstate: '28P01' })
    await expect(open(as({ user: 'nobody_here' }))).rejects.toMatchObject({ code: 'auth_failed', sqlstate: '28P01' })
    await expect(open(as({ password: '' }))).rejects.toMatchObject({
      code: 'auth_failed',
      why: expect.stringMatching(/none was given/),
    })
    await expect(open(server.uri('no_such_database'))).rejects.toMatchObject({ code: 'database_missing' })
    await expect(open(as({}), { replication: 'database' })).rejects.toMatchObject({
      code: 'not_permitted',
      sqlstate: '42501',
    })
    await admin.query(`alter role ${role} connection limit 0`)
    await expect(open(as({}))).rejects.toMatchObject({ code: 'too_many_connections', retryable: true })
    await admin.query(`alter role ${role} nologin`)
    await expect(open(as({}))).rejects.toMatchObject({ code: 'auth_failed', sqlstate: '28000' })
  })

  test('passwords are prepared as the server prepares them', async () => {
    const server = await sharedServer(version)
    const admin = await open(server.uri())
    const role = `walwire_saslprep_${process.pid}_${version}`
    await admin.query(`create role ${role} login`)
    onTestFinished(() => runOnce(server.uri(), `drop role ${role}`))
    for (const password of [
      'ascii with \x01 control',
      'IX\u00adsoft hyphen',
      '\u2168 roman',
      '\u00aa ordinal',
      'e\u0301 combining',
      'spaces\u00a0and\u3000others',
      '\ufb01 ligature',
      '\ufb01 ligature \u{1f600} with what Unicode 3.2 did not know',
      'a\u0340 deprecated',
      '\u0627\u0628\u062c',
      '\u0627\u0628 1',
      '\ue000 private',
      '\u00ad\u200d',
      'تسب\u200cب',
      "quote ' and \\ backslash",
    ]) {
      await admin.query(`alter role ${role} password ${quoteLiteral(password)}`)
      const connection = await open({ host: server.host, port: server.port, dbname: 'postgres', user: role, password })
      await connection.close()
    }
  })
})

/** A message's clock is this machine's. */
function aboutNow(message: ReplicationMessage): boolean {
  return 'sendTime' in message && Math.abs(Number(message.sendTime / 1000n) - Date.now()) < 60_000
}
