import { Connection, type OpenOptions } from '../protocol/connection/connection.ts'
import type { ResolvedConnection } from '../protocol/connection/connection-options.ts'
import { quoteIdentifier, quoteLiteral } from '../protocol/messages/quote.ts'
import { queryRows } from '../replication/catalog/queryable.ts'
import { asReplicationRefusal, checkServer, readServerFacts } from '../replication/catalog/server-facts.ts'
import { readTypes } from '../replication/catalog/type-catalog.ts'
import type { Logger } from '../replication/logger.ts'
import { Bench, echoTable } from './bench.ts'
import { type FuzzedType, fuzzedTypes } from './forms/fuzzed-types.ts'
import { extensions, madeTypes } from './forms/made-types.ts'
import { ReplicationWay } from './replication-way.ts'
import { readEqualities } from './server-equality.ts'
import { createTableSql, planTables, type TriedTable, type TriedType } from './tables.ts'
import { type AlterType, WatchedTypes } from './watched-types.ts'
import { type PostgresModule, WritingSession } from './writing-session.ts'

/** What a {@link Workplace} is set up with. */
export interface WorkplaceParts {
  readonly postgres: PostgresModule
  /** To a database of its own. */
  readonly connection: ResolvedConnection
  /** Chooses from the types that there are. */
  readonly choose: (types: readonly FuzzedType[]) => readonly FuzzedType[]
  readonly alter: AlterType | undefined
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** Everything between the types and the bench: sessions, types, tables, publications, slots. */
export interface Workplace extends AsyncDisposable {
  readonly bench: Bench
  readonly tables: readonly TriedTable[]
  readonly types: readonly FuzzedType[]
  /** Extensions that this server does not have, or not for this role. */
  readonly missing: readonly string[]
}

/** Sets up in an empty database all that values are tried with. */
export async function openWorkplace(parts: WorkplaceParts): Promise<Workplace> {
  const { postgres, connection: target, choose, alter, logger, signal } = parts
  const opened: Connection[] = []
  let writing: WritingSession | undefined
  const close = async () => {
    for (const connection of opened) connection.destroy()
    await writing?.close()
  }
  const open = async (options: OpenOptions = {}) => {
    const connection = await Connection.open(target, { ...options, signal, applicationName: 'walwire fuzz' })
    opened.push(connection)
    return connection
  }
  // an abort must also end the wait for an answer
  const onAbort = () => void close()
  signal.addEventListener('abort', onAbort)
  try {
    const replicating = () =>
      open({ replication: 'database' }).catch((error: unknown) => {
        throw asReplicationRefusal(error, target.user)
      })
    const textReplication = await replicating()
    checkServer(await readServerFacts(textReplication))
    const binaryReplication = await replicating()
    const textCopies = await open({ settings: { search_path: 'public' } })
    const binaryCopies = await open()
    writing = await WritingSession.open(postgres, target)

    const missing = await makeTypes(textCopies, logger)
    const version = Math.floor(textCopies.serverVersion / 10_000)
    const there = extensions.filter((name) => !missing.includes(name))
    const types = choose(fuzzedTypes({ version, extensions: there }))
    const registry = new WatchedTypes({ serverVersion: version }, alter)
    const tables = planTables(await learn(textCopies, types, registry))

    for (const table of tables) {
      await writing.run(createTableSql(table, 'TABLE', table.name))
      for (const format of ['text', 'binary'] as const) {
        await writing.run(createTableSql(table, 'TEMP TABLE', echoTable(table, format)))
      }
    }
    const exact = tables.filter((table) => table.exact)
    await publish(textCopies, 'fuzz_text', tables)
    await publish(textCopies, 'fuzz_binary', exact)
    const common = { ordinary: textCopies, types: registry, logger, signal }
    const slot = target.dbname
    const bench = new Bench({
      writing,
      tables,
      textCopies,
      binaryCopies,
      textStream: await ReplicationWay.open({
        ...common,
        replication: textReplication,
        slot: `${slot}_text`,
        publication: 'fuzz_text',
        binary: false,
      }),
      binaryStream: await ReplicationWay.open({
        ...common,
        replication: binaryReplication,
        slot: `${slot}_binary`,
        publication: 'fuzz_binary',
        binary: true,
      }),
    })
    signal.throwIfAborted()
    return {
      bench,
      tables,
      types,
      missing,
      async [Symbol.asyncDispose]() {
        signal.removeEventListener('abort', onAbort)
        await close()
      },
    }
  } catch (error) {
    signal.removeEventListener('abort', onAbort)
    await close()
    throw error
  }
}

/** @returns extensions that could not be made */
async function makeTypes(connection: Connection, logger: Logger): Promise<string[]> {
  for (const statement of madeTypes) await connection.query(statement)
  const missing: string[] = []
  for (const name of extensions) {
    try {
      await connection.query(`CREATE EXTENSION ${quoteIdentifier(name)}`)
    } catch (error) {
      logger.debug({ extension: name, error }, 'an extension cannot be made')
      missing.push(name)
    }
  }
  return missing
}

/** Makes types known to the registry, and learns how the server compares them. */
async function learn(
  connection: Connection,
  types: readonly FuzzedType[],
  registry: WatchedTypes,
): Promise<TriedType[]> {
  const list = types.map(({ name }) => quoteLiteral(name)).join(', ')
  const rows = await queryRows(
    connection,
    `SELECT name::regtype::oid FROM unnest(ARRAY[${list}]) WITH ORDINALITY AS given(name, place) ORDER BY place`,
  )
  const oids = rows.map(([oid]) => Number(oid))
  for (const type of await readTypes(connection, oids)) registry.add(type)
  const isSame = await readEqualities(connection, oids)
  return types.map((type, index): TriedType => {
    const oid = oids[index] ?? 0
    return { type, oid, pgType: registry.get(oid) ?? registry.addUnknown(oid), isSame: isSame(oid) }
  })
}

/** Inserts alone: the tables are emptied between two batches, of which nobody needs to hear. */
async function publish(connection: Connection, name: string, tables: readonly TriedTable[]): Promise<void> {
  const list = tables.map((table) => table.name).join(', ')
  await connection.query(
    `CREATE PUBLICATION ${name} ${tables.length === 0 ? '' : `FOR TABLE ${list} `}WITH (publish = 'insert')`,
  )
}
