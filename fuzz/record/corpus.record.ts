import { mkdirSync, writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { CatalogType } from '../../src/decoder/types/registry.ts'
import { Connection } from '../../src/protocol/connection/connection.ts'
import { resolveConnection } from '../../src/protocol/connection/resolve-connection.ts'
import { parseLsn } from '../../src/protocol/messages/lsn.ts'
import { quoteLiteral } from '../../src/protocol/messages/quote.ts'
import {
  createSlotCommand,
  dropSlotCommand,
  identifySystemCommand,
  showCommand,
  startReplicationCommand,
} from '../../src/protocol/messages/replication-commands.ts'
import { decodeReplication, encodeStandbyStatusUpdate } from '../../src/protocol/messages/replication-messages.ts'
import { backendTag } from '../../src/protocol/messages/tags.ts'
import { queryRows } from '../../src/replication/catalog/queryable.ts'
import { readTypes } from '../../src/replication/catalog/type-catalog.ts'
import { CopyOut } from '../../src/replication/snapshot/copy-out.ts'
import { bootServer, type TestServer } from '../../test/server/index.ts'
import { fuzzFolder } from '../corpus.ts'
import { type Frame, streamOf } from '../frames.ts'
import { extensionLiterals, extensions, literals, madeTypesSql, tablesSql, transactions } from './workload.ts'

/** Where a server's own OIDs end and those of a database begin. */
const firstNormalOid = 16_384

test.each([14, 15, 16, 17, 18])('PostgreSQL %i is recorded', async (version) => {
  await using server = await bootServer({ version })
  const url = await server.createDatabase({ name: 'fuzzed' })
  const sql = await open(url)
  const available = new Set((await queryRows(sql, 'SELECT name FROM pg_available_extensions')).map(([name]) => name))
  for (const name of extensions) if (available.has(name)) await sql.query(`CREATE EXTENSION ${name}`)
  await sql.query(madeTypesSql)
  await sql.query(tablesSql)
  await sql.query('CREATE PUBLICATION everything FOR ALL TABLES')

  const text = await record(server, url, sql, false)
  const binary = await record(server, url, sql, true)
  save(`streams/pg${version}.stream`, text)
  save(`streams/pg${version}.binary.stream`, binary)
  const oids = await queryRows(
    sql,
    `SELECT oid FROM pg_type WHERE oid >= ${firstNormalOid} AND typtype IN ('b', 'c', 'd', 'e', 'm', 'r') ORDER BY oid`,
  )
  const types = await readTypes(
    sql,
    oids.map(([oid]) => Number(oid)),
  )
  const made = types.filter(({ oid }) => oid >= firstNormalOid)
  saveJson(`streams/pg${version}.types.json`, made)
  if (version === 17) saveJson(`values/pg${version}.json`, await recordValues(sql, available, made))
  save(`sessions/pg${version}.session`, await recordSession(url))
  await sql.close()
})

async function open(url: string): Promise<Connection> {
  return await Connection.open(await resolveConnection(url), { settings: { search_path: 'public' } })
}

/** Does everything to the tables, and keeps what a walsender makes of it. */
async function record(server: TestServer, url: string, sql: Connection, binary: boolean): Promise<Uint8Array> {
  const replication = await Connection.open(await resolveConnection(url), { replication: 'database' })
  const slot = binary ? 'binary_slot' : 'text_slot'
  await replication.query(
    createSlotCommand({ slot, snapshot: 'nothing', serverVersion: server.versionNum, temporary: true }),
  )
  await sql.query('BEGIN; DROP TABLE narrow, whole, wide, nothing, "odd ""name""", parts; COMMIT')
  await sql.query(tablesSql)
  for (const transaction of transactions) await sql.query(transaction)
  const [[end] = []] = await queryRows(sql, 'SELECT pg_current_wal_insert_lsn()')
  expect(end).toBeTypeOf('string')
  await replication.copy(
    startReplicationCommand({ slot, from: 0n, publications: ['everything'], protoVersion: 1, messages: true, binary }),
  )
  const frames: Frame[] = [{ tag: backendTag.CopyBothResponse, body: Uint8Array.of(0, 0, 0) }]
  const stop = parseLsn(end ?? '')
  let keepalives = 0
  for (let reached = 0n; reached < stop; ) {
    const { framer } = replication
    while (framer.next()) {
      const body = framer.bytes.slice(framer.start, framer.end)
      const message = framer.tag === backendTag.CopyData ? decodeReplication(body, 0, body.length) : undefined
      if (message?.type !== 'PrimaryKeepalive') frames.push({ tag: framer.tag, body })
      else if (keepalives++ < mostKeepalives || message.walEnd >= stop) frames.push({ tag: framer.tag, body })
      if (message?.type === 'PrimaryKeepalive') reached = message.walEnd
    }
    const update = { write: 0n, flush: 0n, apply: 0n, clock: 0n, replyRequested: true }
    replication.write(encodeStandbyStatusUpdate(update))
    if (!(await replication.more())) throw await replication.ended
  }
  replication.destroy()
  return streamOf(frames)
}

/** Each status update is answered by one. */
const mostKeepalives = 3

/** The values of every type as the server writes them, in both formats, and arrays of them. */
async function recordValues(
  sql: Connection,
  available: ReadonlySet<string | null | undefined>,
  made: readonly CatalogType[],
) {
  expect(made.length).toBeGreaterThan(20)
  const recorded: { oid: number; text: string; binary: string }[] = []
  const wanted = [
    ...literals,
    ...extensionLiterals.flatMap(([extension, ...rest]) => (available.has(extension) ? [rest] : [])),
  ]
  for (const [type, ...texts] of wanted) {
    const values = texts.map((text) => `${quoteLiteral(text)}::${type}`)
    const list = `ARRAY[${[...values, 'NULL'].join(',')}]::${arrayOf(type)}`
    const delimiter = type === 'box' ? ';' : ','
    const level = `{NULL${delimiter}NULL}`
    const bounded = `('[-1:0][3:4]={${level}${delimiter}${level}}')::${arrayOf(type)}`
    for (const value of [...values, list, bounded]) {
      const [[send = null] = []] = await queryRows(sql, `SELECT typsend FROM pg_type WHERE oid = pg_typeof(${value})`)
      const form = send === null || send === '-' ? `''` : `encode(${send}(${value}), 'hex')`
      const [row] = await queryRows(sql, `SELECT pg_typeof(${value})::oid, ${value}, ${form}`).catch(() =>
        // inside of an array, a type that has no binary form is an error
        queryRows(sql, `SELECT pg_typeof(${value})::oid, ${value}, ''`),
      )
      const [oid = null, text = null, binary = null] = row ?? []
      if (oid === null || text === null || binary === null) throw new Error(`nothing comes of ${value}`)
      recorded.push({ oid: Number(oid), text, binary })
    }
  }
  return recorded
}

function arrayOf(type: string): string {
  return `${type.replace(/\(\d+\)$/, '')}[]`
}

/** Everything that a server says from the first byte on: SCRAM, notices, errors, results, copies in both formats. */
async function recordSession(url: string): Promise<Uint8Array> {
  const heard: Uint8Array[] = []
  const { hostname, port } = new URL(url)
  const resolved = await resolveConnection({
    dbname: 'fuzzed',
    user: 'postgres',
    password: 'walwire',
    connect: async () => {
      const socket = connectSocket(Number(port), hostname)
      socket.on('data', (bytes: Uint8Array) => heard.push(new Uint8Array(bytes)))
      return socket
    },
  })
  const session = await Connection.open(resolved, { replication: 'database', settings: { search_path: 'public' } })
  const ask = (command: string) => session.query(command).catch(() => [])
  await ask(identifySystemCommand)
  await ask(
    createSlotCommand({ slot: 'recorded', snapshot: 'export', serverVersion: session.serverVersion, temporary: true }),
  )
  await ask(showCommand('wal_sender_timeout'))
  await ask('TIMELINE_HISTORY 1')
  await ask(dropSlotCommand('recorded'))
  await ask('')
  await ask(
    `SELECT 1 AS a, NULL AS b, 'é😀' AS "c d"; SELECT; CREATE TABLE IF NOT EXISTS whole (a int); LISTEN channel`,
  )
  await ask(`DO $$ BEGIN RAISE NOTICE 'noticed' USING HINT = 'a hint', DETAIL = 'a detail'; END $$`)
  await ask(`NOTIFY channel, 'payload'`)
  await ask('SELECT 1/0')
  await ask('SELECT * FROM nowhere')
  await ask(`INSERT INTO parts VALUES (99, 'no partition')`)
  await ask(`SET application_name TO 'recorded'`)
  for (const format of ['text', 'binary'] as const) {
    const sql = `COPY (SELECT n, 'row ' || n, NULL FROM generate_series(1, 3) n) TO STDOUT`
    const copy = await CopyOut.begin(session, sql, format)
    await copy.pull(() => false)
  }
  session.destroy()
  return new Uint8Array(Buffer.concat(heard))
}

function save(path: string, bytes: Uint8Array): void {
  const file = join(fuzzFolder, 'corpus', path)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, bytes)
}

function saveJson(path: string, value: readonly unknown[]): void {
  save(path, new TextEncoder().encode(`[\n${value.map((entry) => JSON.stringify(entry)).join(',\n')}\n]\n`))
}
