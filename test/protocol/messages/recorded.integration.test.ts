import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { pipeline } from 'node:stream/promises'
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { Connection } from '../../../src/protocol/connection/connection.ts'
import { resolveConnection } from '../../../src/protocol/connection/resolve-connection.ts'
import { encodeFrontend } from '../../../src/protocol/messages/frontend.ts'
import { createSlotCommand, startReplicationCommand } from '../../../src/protocol/messages/replication-commands.ts'
import {
  decodeReplication,
  encodeHotStandbyFeedback,
  encodeReplication,
  encodeStandbyStatusUpdate,
} from '../../../src/protocol/messages/replication-messages.ts'
import { encodeUntaggedMessage } from '../../../src/protocol/messages/startup-messages.ts'
import { sharedServer, testVersions, waitUntil } from '../../server/index.ts'
import { type Recording, recorder } from './recorder.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** That each side's bytes are its messages and nothing else. */
function expectBytesAgain(recordings: readonly Recording[]): void {
  for (const recording of recordings) {
    expect(recording.failure).toBe(undefined)
    for (const from of ['client', 'server'] as const) {
      expect(hex(recording.encoded(from))).toBe(hex(Buffer.concat(recording.bytes[from])))
    }
  }
}

/** The address with the recorder's port. */
function through(url: string, port: number): URL {
  const address = new URL(url)
  address.hostname = '127.0.0.1'
  address.port = String(port)
  return address
}

describe.each(testVersions())('what is said with PostgreSQL %i', (version) => {
  test('by a driver is read, and written again to the same bytes, on both sides', async () => {
    const server = await sharedServer(version)
    const url = await server.createDatabase()
    await using proxy = await recorder(server.port)
    const sql = postgres(through(url, proxy.port).href, { max: 1, ssl: 'prefer', onnotice: () => {} })

    await sql`CREATE TABLE things (id int PRIMARY KEY, body text, data bytea)`.simple()
    await sql.unsafe('SELECT 1 AS a; SELECT 2 AS b, NULL AS "ç d"; ').simple()
    await sql`INSERT INTO things ${sql([{ id: 1, body: 'é€😀', data: randomBytes(300) }])}`
    await sql`SELECT ${'text'}::text, ${7}::int, ${null}::json, ${sql.json({ a: [1] })}::jsonb, ${new Date(0)}::timestamptz`
    await sql`SELECT * FROM things WHERE id = ${1}`.describe()
    const pipelined = Array.from(
      { length: 20 },
      (_, index) => sql`SELECT ${index}::int AS n, repeat('x', ${index * 100}) AS t`,
    )
    expect((await Promise.all(pipelined)).map(([row]) => row?.n)).toEqual(
      Array.from({ length: 20 }, (_, index) => index),
    )
    const cursor = sql`SELECT n FROM generate_series(1, 25) n`.cursor(10)
    let rows = 0
    for await (const some of cursor) rows += some.length
    expect(rows).toBe(25)
    await sql`SELECT n FROM generate_series(1, 25) n`.cursor(10, () => sql.CLOSE)
    await sql.begin(async (transaction) => {
      await transaction`SELECT 1`
      await transaction.savepoint((inner) => inner`SELECT 1/0`).catch(() => {})
    })
    await sql`DO $$ BEGIN RAISE NOTICE 'noticed' USING HINT = 'a hint', DETAIL = 'a detail'; END $$`
    await sql`SELECT * FROM nowhere`.catch(() => {})
    await sql`INSERT INTO things VALUES (1)`.catch(() => {})
    await sql.unsafe(' ')

    const copyIn = await sql`COPY things (id, body) FROM STDIN`.writable()
    await pipeline(
      (async function* () {
        for (let id = 2; id < 300; id++) yield Buffer.from(`${id}\tbody ${id}\n`)
      })(),
      copyIn,
    )
    const copyOut = await sql`COPY things TO STDOUT (FORMAT binary)`.readable()
    for await (const chunk of copyOut) expect(chunk).toBeInstanceOf(Uint8Array)
    const failing = await sql`COPY things (id) FROM STDIN`.writable()
    const failed = new Promise<unknown>((resolve) => failing.on('error', resolve))
    failing.write('400\n')
    failing.destroy(new Error('the client gave up'))
    await failed

    const { unlisten } = await sql.listen('news', () => {})
    await sql.notify('news', 'payload é')
    await unlisten()

    const slow = sql`SELECT pg_sleep(60)`
    const ends = slow.catch((error: unknown) => error)
    const running = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'pg_.leep'"
    const admin = postgres(url, { max: 1 })
    await waitUntil('the query to run', async () => (await admin.unsafe(running)).length > 0)
    slow.cancel()
    expect(await ends).toMatchObject({ code: '57014' })
    await Promise.all([sql.end(), admin.end()])
    await waitUntil('the last byte', async () =>
      proxy.recordings.some((recording) => recording.types('client').includes('Terminate')),
    )

    expectBytesAgain(proxy.recordings)
    const heard = (from: 'client' | 'server') => new Set(proxy.recordings.flatMap((recording) => recording.types(from)))
    for (const type of [
      'SSLRequest',
      'StartupMessage',
      'SASLInitialResponse',
      'SASLResponse',
      'Query',
      'Parse',
      'Bind',
      'Describe',
      'Execute',
      'Close',
      'Sync',
      'Flush',
      'CopyData',
      'CopyDone',
      'CopyFail',
      'CancelRequest',
      'Terminate',
    ]) {
      expect.soft(heard('client')).toContain(type)
    }
    for (const type of [
      'EncryptionResponse',
      'AuthenticationSASL',
      'AuthenticationSASLContinue',
      'AuthenticationSASLFinal',
      'AuthenticationOk',
      'BackendKeyData',
      'ParameterStatus',
      'ReadyForQuery',
      'RowDescription',
      'DataRow',
      'CommandComplete',
      'EmptyQueryResponse',
      'ParseComplete',
      'BindComplete',
      'CloseComplete',
      'NoData',
      'ParameterDescription',
      'PortalSuspended',
      'CopyInResponse',
      'CopyOutResponse',
      'CopyData',
      'CopyDone',
      'ErrorResponse',
      'NoticeResponse',
      'NotificationResponse',
    ]) {
      expect.soft(heard('server')).toContain(type)
    }
  })

  test('by walwire while it replicates is so too, and so is what stands in CopyData', async () => {
    const server = await sharedServer(version)
    const url = await server.createDatabase()
    const admin = postgres(url, { max: 1 })
    await admin`CREATE TABLE things (id int PRIMARY KEY)`
    await admin`CREATE PUBLICATION everything FOR ALL TABLES`
    await using proxy = await recorder(server.port)
    const connection = await Connection.open(await resolveConnection(through(url, proxy.port).href), {
      replication: 'database',
    })
    const slot = `recorded_${randomBytes(6).toString('hex')}`
    await connection.query(
      createSlotCommand({ slot, snapshot: 'nothing', serverVersion: server.versionNum, temporary: true }),
    )
    await admin`INSERT INTO things VALUES (1), (2)`
    await connection.copy(startReplicationCommand({ slot, from: 0n, publications: ['everything'], protoVersion: 1 }))
    const clock = BigInt(Date.now()) * 1000n
    connection.write(encodeStandbyStatusUpdate({ write: 1n, flush: 0n, apply: 0n, clock, replyRequested: true }))
    connection.write(encodeHotStandbyFeedback({ clock, xmin: 0, xminEpoch: 0, catalogXmin: 0, catalogXminEpoch: 0 }))
    const [recording] = proxy.recordings
    if (recording === undefined) throw new Error('nothing was recorded')
    const inside = () =>
      recording.messages.flatMap(({ message }) => (message.type === 'CopyData' ? [message.data] : []))
    const kinds = () => new Set(inside().map((data) => decodeReplication(data, 0, data.length).type))
    await waitUntil('one of each kind', async () => {
      expect(recording.failure).toBe(undefined)
      return kinds().size === 4
    })
    connection.destroy()
    await admin.end()
    expect(recording.types('server')).toContain('CopyBothResponse')
    expectBytesAgain(proxy.recordings)
    expect(kinds()).toEqual(new Set(['XLogData', 'PrimaryKeepalive', 'StandbyStatusUpdate', 'HotStandbyFeedback']))
    for (const data of inside()) {
      expect(hex(encodeReplication(decodeReplication(data, 0, data.length)).subarray(5))).toBe(hex(data))
    }
  })

  test('by a client of long ago is so too: a function is called', async () => {
    const server = await sharedServer(version)
    await using proxy = await recorder(server.port)
    const connection = await Connection.open(await resolveConnection(through(server.uri(), proxy.port).href))
    const [recording] = proxy.recordings
    if (recording === undefined) throw new Error('nothing was recorded')
    const int4 = (value: number) => Uint8Array.of(0, 0, 0, value)
    // int4pl, whose OID is the same everywhere
    recording.sayAsClient(
      encodeFrontend({
        type: 'FunctionCall',
        functionOid: 177,
        argumentFormats: ['binary'],
        arguments: [int4(40), int4(2)],
        resultFormat: 'binary',
      }),
    )
    await waitUntil('the answer', async () => recording.types('server').includes('FunctionCallResponse'))
    connection.destroy()
    expect(recording.messages).toContainEqual({
      from: 'server',
      message: { type: 'FunctionCallResponse', value: int4(42) },
    })
    expectBytesAgain(proxy.recordings)
  })

  test('by a client of tomorrow is so too: version 3.9999 and an option are negotiated', async () => {
    const server = await sharedServer(version)
    await using proxy = await recorder(server.port)
    const socket = connect(proxy.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(
      encodeUntaggedMessage({
        type: 'StartupMessage',
        protocolVersion: 0x0003_270f,
        parameters: [
          ['user', server.superuser],
          ['_pq_.unheard_of', 'on'],
        ],
      }),
    )
    await waitUntil('the answer', async () => (proxy.recordings[0]?.types('server').length ?? 0) > 1)
    socket.destroy()
    const answer = proxy.recordings[0]?.messages.find(({ message }) => message.type === 'NegotiateProtocolVersion')
    expect(answer?.message).toEqual({
      type: 'NegotiateProtocolVersion',
      version: version >= 18 ? 0x0003_0002 : 0x0003_0000,
      unrecognizedOptions: ['_pq_.unheard_of'],
    })
    expectBytesAgain(proxy.recordings)
  })
})
