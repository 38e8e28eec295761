import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Connection } from '../protocol/connection/connection.ts'
import type { ResolvedConnection } from '../protocol/connection/connection-options.ts'
import { WalwireError } from '../protocol/messages/errors.ts'
import { quoteIdentifier } from '../protocol/messages/quote.ts'

/** A database of its own on a server, in which nothing is anybody else's. */
export interface FuzzDatabase extends AsyncDisposable {
  readonly name: string
  /** How it is connected to. */
  readonly connection: ResolvedConnection
}

const permissionDenied = '42501'
const inUse = '55006'
const dropTimeoutMs = 10_000
const dropRetryMs = 50

/**
 * Makes a database, which goes when it is disposed of, with everybody's connections to it. Texts sort in it as their bytes
 * do, whatever the server's own language.
 *
 * @throws {WalwireError} `not_permitted` where the role makes no databases
 */
export async function createFuzzDatabase(resolved: ResolvedConnection): Promise<FuzzDatabase> {
  const name = `walwire_fuzz_${randomBytes(5).toString('hex')}`
  const create = `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`
  // of several hosts, all that follows is with the one that was reached
  const server = await once(resolved, async (connection) => {
    try {
      await connection.query(create)
      return connection.reached
    } catch (error) {
      throw asRefusal(error, resolved.user)
    }
  })
  return {
    name,
    connection: { ...server, dbname: name },
    [Symbol.asyncDispose]: () => once(server, (connection) => drop(connection, name)),
  }
}

/** A slot of this database that is in use is let go of when its walsender has noticed that nobody is there any more. */
async function drop(connection: Connection, name: string): Promise<void> {
  const deadline = performance.now() + dropTimeoutMs
  for (;;) {
    try {
      await connection.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      return
    } catch (error) {
      const isInUse = error instanceof WalwireError && error.sqlstate === inUse
      if (!isInUse || performance.now() > deadline) throw leftBehind(name, error)
    }
    await delay(dropRetryMs)
  }
}

async function once<Result>(
  server: ResolvedConnection,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const connection = await Connection.open(server, { applicationName: 'walwire fuzz' })
  try {
    return await work(connection)
  } finally {
    connection.destroy()
  }
}

function asRefusal(error: unknown, role: string): unknown {
  if (!(error instanceof WalwireError) || error.sqlstate !== permissionDenied) return error
  return new WalwireError('not_permitted', {
    what: 'the database to write values into cannot be made',
    why: error.why,
    hint: `ALTER ROLE ${quoteIdentifier(role)} CREATEDB; or leave out the URL, and a server is booted`,
    sqlstate: error.sqlstate,
    cause: error,
  })
}

function leftBehind(name: string, cause: unknown): WalwireError {
  return new WalwireError('server_error', {
    what: `the database ${name} is left behind`,
    why: cause instanceof Error ? cause.message : String(cause),
    hint: `DROP DATABASE ${name}`,
    cause,
  })
}
