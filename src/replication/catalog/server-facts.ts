import { WalwireError } from '../../protocol/messages/errors.ts'
import { type Lsn, parseLsn } from '../../protocol/messages/lsn.ts'
import { quoteIdentifier } from '../../protocol/messages/quote.ts'
import {
  identifySystemCommand,
  readIdentifySystem,
  type SystemIdentity,
} from '../../protocol/messages/replication-commands.ts'
import { errorFieldsOf } from '../../protocol/messages/server-error.ts'
import { type CommandConnection, queryRows, type TextRow } from './queryable.ts'

/** What a feed must know of the server before it decides anything. */
export interface ServerFacts {
  /** The cluster's identifier: an unsigned 64-bit number as text. */
  readonly systemId: string
  readonly timeline: number
  /** IDENTIFY_SYSTEM's xlogpos: what is on the server's disk, and the most that a walsender has ever sent. */
  readonly flushLsn: Lsn
  /** Where the next WAL record goes; undefined on a standby, which writes none. */
  readonly insertLsn: Lsn | undefined
  /** How far a standby has replayed, which is how far it decodes; undefined on a primary. */
  readonly replayLsn: Lsn | undefined
  readonly database: string
  /** As `server_version_num`: 170010. */
  readonly version: number
  readonly inRecovery: boolean
  readonly walLevel: string
  /** The role that logged in, whatever it acts as. */
  readonly role: string
  /**
   * The role is a superuser or has REPLICATION. A managed server may permit it all the same (RDS does by membership in
   * rds_replication): what decides is that the server let the role open a replication connection.
   */
  readonly canReplicate: boolean
  /** How long a walsender waits for a sign of life; 0 means for ever. */
  readonly walSenderTimeoutMs: number
}

/** Logical decoding with everything that walwire asks of it. */
const oldestVersion = 140_000
/** Logical decoding on a standby. */
const oldestStandby = 160_000

// pg_settings has the time in milliseconds, SHOW in whatever unit is shortest.
const factsSql = `SELECT current_setting('server_version_num'), pg_is_in_recovery(), current_setting('wal_level'),
  (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'),
  session_user, (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = session_user),
  CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn() END,
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END`

/**
 * Asks the server what it is, over a connection with `replication=database`. Not while that connection holds an
 * exported snapshot: any command ends the snapshot.
 *
 * @see https://www.postgresql.org/docs/current/protocol-replication.html IDENTIFY_SYSTEM
 */
export async function readServerFacts(replication: CommandConnection): Promise<ServerFacts> {
  // In this order, so that the insert LSN is never behind the flush LSN.
  const [identity] = await replication.query(identifySystemCommand)
  const [facts = []] = await queryRows(replication, factsSql)
  return parseServerFacts(readIdentifySystem(identity), facts)
}

/** @throws {WalwireError} `bad_connection` when the connection belongs to no database. */
export function parseServerFacts(identity: SystemIdentity, facts: TextRow): ServerFacts {
  const { systemId, timeline, xlogpos, dbname } = identity
  const [version, inRecovery, walLevel, walSenderTimeout, role, canReplicate, insertLsn, replayLsn] = facts
  if (dbname === undefined) {
    throw new WalwireError('bad_connection', {
      what: 'the connection is not for logical replication',
      why: 'it belongs to no database',
      hint: 'connect with replication=database and a database name',
    })
  }
  return {
    systemId,
    timeline,
    flushLsn: xlogpos,
    insertLsn: insertLsn ? parseLsn(insertLsn) : undefined,
    replayLsn: replayLsn ? parseLsn(replayLsn) : undefined,
    database: dbname,
    version: Number(version),
    inRecovery: inRecovery === 't',
    walLevel: walLevel ?? '',
    role: role ?? '',
    canReplicate: canReplicate === 't',
    walSenderTimeoutMs: Number(walSenderTimeout),
  }
}

/**
 * Checks that a server can serve a feed at all. Whether the role may replicate was answered by the connection itself:
 * the server refuses to start a walsender for one that may not.
 *
 * @throws {WalwireError} `unsupported_server` before PostgreSQL 14, or for a standby before 16; `wal_level`.
 */
export function checkServer(server: ServerFacts): void {
  const major = Math.floor(server.version / 10_000)
  if (server.version < oldestVersion) {
    throw new WalwireError('unsupported_server', {
      what: 'this server cannot be followed',
      why: `it is PostgreSQL ${major}, and walwire needs 14 or newer`,
      hint: 'upgrade the server',
    })
  }
  if (server.inRecovery && server.version < oldestStandby) {
    throw new WalwireError('unsupported_server', {
      what: 'this standby cannot be followed',
      why: `it is PostgreSQL ${major}, and standbys decode logically from 16 on`,
      hint: 'connect to the primary',
    })
  }
  if (server.walLevel !== 'logical') {
    throw new WalwireError('wal_level', {
      what: 'this server cannot be followed',
      why: `its wal_level is ${server.walLevel}, and logical replication needs logical`,
      hint: 'ALTER SYSTEM SET wal_level = logical; then restart the server',
    })
  }
}

/**
 * A walsender of a standby lives on when that is promoted, and when that follows its primary to another timeline. The
 * positions of a run would name the old timeline for what is on the new one, and be refused later, so the run ends
 * before it delivers any. How far the standby has come is asked after the batch was read, so nothing of the batch is past that.
 *
 * @param connection one with `replication=database`: a standby says which timeline it replays to nobody else
 * @throws {WalwireError} `standby_promoted`, `timeline_changed`
 * @see PG18: src/backend/replication/walsender.c GetStandbyFlushRecPtr
 */
export async function checkSameTimeline(connection: CommandConnection, { timeline }: ServerFacts): Promise<void> {
  const [identity] = await connection.query(identifySystemCommand)
  const now = readIdentifySystem(identity).timeline
  const [[inRecovery] = []] = await queryRows(connection, 'SELECT pg_catalog.pg_is_in_recovery()')
  if (now === timeline && inRecovery === 't') return
  throw new WalwireError(inRecovery === 't' ? 'timeline_changed' : 'standby_promoted', {
    what: 'the feed cannot go on as it began',
    why:
      inRecovery === 't'
        ? `the standby went over from timeline ${timeline} to ${now} with its primary, and positions must name the new one`
        : 'the server was a standby and was promoted, and positions must name its new timeline',
    hint: 'begin again at the stored position',
  })
}

/** How far a walsender of this server can send: what a primary has flushed, what a standby has replayed. */
export function reached(server: ServerFacts): Lsn {
  return server.replayLsn ?? server.flushLsn
}

/**
 * The error of a replication connection that could not be opened, with the statement that helps where the role lacks
 * REPLICATION. The server checks that in InitPostgres, in whatever language it says so; the right to connect to the
 * database, with the same SQLSTATE, in CheckMyDatabase.
 *
 * @see PG18: src/backend/utils/init/postinit.c
 */
export function asReplicationRefusal(error: unknown, role: string): unknown {
  const fields = errorFieldsOf(error)
  if (!(error instanceof WalwireError) || fields?.code !== '42501' || fields.routine !== 'InitPostgres') return error
  return new WalwireError('not_permitted', {
    what: 'this role may not replicate',
    why: error.why,
    hint: `ALTER ROLE ${quoteIdentifier(role)} REPLICATION (on RDS: GRANT rds_replication TO ${quoteIdentifier(role)})`,
    sqlstate: fields.code,
    cause: error,
  })
}
