import { ProtocolError, WalwireError } from './errors.ts'
import { formatLsn, type Lsn, parseLsn } from './lsn.ts'
import { quoteIdentifier, quoteReplicationLiteral } from './quote.ts'

/**
 * The replication commands: texts to send, and what their answers say. None does I/O.
 *
 * @see https://www.postgresql.org/docs/current/protocol-replication.html
 * @see PG18: src/backend/replication/repl_gram.y
 */

/** One result of a command, as Connection.query gives it. */
export interface CommandResult<Value = string> {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (Value | null)[])[]
}

export const identifySystemCommand = 'IDENTIFY_SYSTEM'

/** Who the server is and how far. */
export interface SystemIdentity {
  /** The same for all servers that share a history; unsigned 64-bit, as text. */
  readonly systemId: string
  readonly timeline: number
  /** The flush LSN. Not where to resume: a slot is. */
  readonly xlogpos: Lsn
  /** Undefined on a connection for physical replication. */
  readonly dbname: string | undefined
}

/** @throws {ProtocolError} when the answer is not one */
export function readIdentifySystem(result: CommandResult | undefined): SystemIdentity {
  const row = onlyRow(result, 'IDENTIFY_SYSTEM')
  return {
    systemId: row.required('systemid'),
    timeline: row.number('timeline'),
    xlogpos: row.lsn('xlogpos'),
    dbname: row.optional('dbname'),
  }
}

/** What a CREATE_REPLICATION_SLOT is to make. */
export interface CreateSlotRequest {
  readonly slot: string
  /** The slot goes when the connection does. */
  readonly temporary?: boolean | undefined
  /** Default pgoutput. */
  readonly plugin?: string | undefined
  /**
   * `export`: a name under which other sessions can see the snapshot, until this connection's next command.
   * `use`: this connection's transaction, which must be READ ONLY, REPEATABLE READ and without a statement so far, sees it.
   */
  readonly snapshot: 'export' | 'use' | 'nothing'
  /** Prepared transactions are decoded at PREPARE. Since 15; in 14 pg_create_logical_replication_slot alone can do it. */
  readonly twoPhase?: boolean | undefined
  /** The slot is kept on standbys, too. Since 17. */
  readonly failover?: boolean | undefined
  /** As `server_version_num`: the syntax changed in 15. */
  readonly serverVersion: number
}

/**
 * `CREATE_REPLICATION_SLOT` for a logical slot. It waits, without a limit, for every transaction that was open before.
 *
 * @throws {WalwireError} `unsupported_option` for what the server's version cannot do
 */
export function createSlotCommand(request: CreateSlotRequest): string {
  const { slot, temporary, plugin = 'pgoutput', snapshot, twoPhase, failover, serverVersion } = request
  if (twoPhase && serverVersion < 150_000) throw tooOld(slot, 'for two-phase commit', 15)
  if (failover && serverVersion < 170_000) throw tooOld(slot, 'as a failover slot', 17)
  const head = `CREATE_REPLICATION_SLOT ${quoteIdentifier(slot)}${temporary ? ' TEMPORARY' : ''} LOGICAL ${quoteIdentifier(plugin)}`
  if (serverVersion < 150_000) {
    const keyword = { export: 'EXPORT_SNAPSHOT', use: 'USE_SNAPSHOT', nothing: 'NOEXPORT_SNAPSHOT' }[snapshot]
    return `${head} ${keyword}`
  }
  const options = [`SNAPSHOT ${quoteReplicationLiteral(snapshot)}`]
  if (twoPhase) options.push('TWO_PHASE true')
  if (failover) options.push('FAILOVER true')
  return `${head} (${options.join(', ')})`
}

function tooOld(slot: string, how: string, since: number): WalwireError {
  return new WalwireError('unsupported_option', {
    what: `slot ${slot} cannot be made ${how}`,
    why: `the server is older than PostgreSQL ${since}`,
    hint: 'leave the option out, or use a newer server',
    slot,
  })
}

/** What CREATE_REPLICATION_SLOT answers. */
export interface CreatedSlotAnswer {
  readonly slotName: string
  /** Transactions whose commit LSN is at or past this are streamed; all before are in the snapshot. */
  readonly consistentPoint: Lsn
  /** For `SET TRANSACTION SNAPSHOT`; undefined unless it was exported. */
  readonly snapshotName: string | undefined
  readonly outputPlugin: string | undefined
}

/** @throws {ProtocolError} when the answer is not one */
export function readCreateSlot(result: CommandResult | undefined): CreatedSlotAnswer {
  const row = onlyRow(result, 'CREATE_REPLICATION_SLOT')
  return {
    slotName: row.required('slot_name'),
    consistentPoint: row.lsn('consistent_point'),
    snapshotName: row.optional('snapshot_name'),
    outputPlugin: row.optional('output_plugin'),
  }
}

/** What a START_REPLICATION asks pgoutput for. An option that is undefined is not sent: an older server refuses to know it. */
export interface StartReplicationRequest {
  readonly slot: string
  /**
   * 0 is the slot's confirmed_flush_lsn; so is, without a word, anything less than that. Transactions that commit
   * before it are skipped.
   */
  readonly from: Lsn
  readonly publications: readonly string[]
  /** 1; 2 since 14 (streaming), 3 since 15 (two-phase), 4 since 16 (parallel streaming). */
  readonly protoVersion: 1 | 2 | 3 | 4
  /** Values in binary format where their types have one. Since 14. */
  readonly binary?: boolean | undefined
  /** pg_logical_emit_message's. Since 14. */
  readonly messages?: boolean | undefined
  /** Large transactions before they commit. `on` since 14, `parallel` since 16. */
  readonly streaming?: 'off' | 'on' | 'parallel' | undefined
  /** Prepared transactions at PREPARE. Since 15. */
  readonly twoPhase?: boolean | undefined
  /** `none`: only what was first written here. Since 16. */
  readonly origin?: 'none' | 'any' | undefined
}

/** `START_REPLICATION SLOT … LOGICAL …`: to be sent by Connection.copy, which then is a copy in both directions. */
export function startReplicationCommand(request: StartReplicationRequest): string {
  const { slot, from, publications, protoVersion, binary, messages, streaming, twoPhase, origin } = request
  const options: [string, string | undefined][] = [
    ['proto_version', String(protoVersion)],
    ['publication_names', publications.map(quoteIdentifier).join(',')],
    ['binary', flag(binary)],
    ['messages', flag(messages)],
    ['streaming', streaming],
    ['two_phase', flag(twoPhase)],
    ['origin', origin],
  ]
  const list = options.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${quoteReplicationLiteral(value)}`],
  )
  return `START_REPLICATION SLOT ${quoteIdentifier(slot)} LOGICAL ${formatLsn(from)} (${list.join(', ')})`
}

/**
 * `DROP_REPLICATION_SLOT`
 *
 * @param wait until nobody uses the slot; without it that is an error
 */
export function dropSlotCommand(slot: string, wait = false): string {
  return `DROP_REPLICATION_SLOT ${quoteIdentifier(slot)}${wait ? ' WAIT' : ''}`
}

/** `TIMELINE_HISTORY`: an error for timeline 1, which has none. */
export function timelineHistoryCommand(timeline: number): string {
  if (!Number.isInteger(timeline) || timeline < 1 || timeline > 0xffff_ffff) {
    throw new WalwireError('bad_option', {
      what: 'a timeline history cannot be asked for',
      why: `${timeline} is no timeline`,
      hint: 'give a whole number from 1',
    })
  }
  return `TIMELINE_HISTORY ${timeline}`
}

/** A timeline's history file. The server calls the column text and sends the file's bytes, whatever they are. */
export interface TimelineHistoryFile {
  readonly filename: string
  readonly content: Uint8Array
}

/**
 * @param result as Connection.queryBytes gives it
 * @throws {ProtocolError} when the answer is not one
 */
export function readTimelineHistoryFile(result: CommandResult<Uint8Array> | undefined): TimelineHistoryFile {
  const [filename, content] = result?.rows[0] ?? []
  if (filename == null || content == null) throw notAnAnswer('TIMELINE_HISTORY', 'it has no file name or no content')
  return { filename: new TextDecoder().decode(filename), content }
}

/** `SHOW`: works on every replication connection, also one for physical replication. */
export function showCommand(parameter: string): string {
  return `SHOW ${parameter.split('.').map(quoteIdentifier).join('.')}`
}

/** @throws {ProtocolError} when the answer is not one value */
export function readShow(result: CommandResult | undefined): string {
  const value = result?.rows[0]?.[0]
  if (value == null) throw notAnAnswer('SHOW', 'it has no value')
  return value
}

function flag(value: boolean | undefined): string | undefined {
  return value === undefined ? undefined : String(value)
}

/** A row whose columns are asked for by name; servers have added columns over the years. */
interface NamedRow {
  optional(column: string): string | undefined
  required(column: string): string
  number(column: string): number
  lsn(column: string): Lsn
}

function onlyRow(result: CommandResult | undefined, command: string): NamedRow {
  const row = result?.rows[0]
  if (result === undefined || row === undefined || result.rows.length !== 1) {
    throw notAnAnswer(command, `it has ${result?.rows.length ?? 0} rows instead of one`)
  }
  const optional = (column: string): string | undefined => row[result.columns.indexOf(column)] ?? undefined
  const required = (column: string): string => {
    const value = optional(column)
    if (value === undefined) throw notAnAnswer(command, `it has no ${column}`)
    return value
  }
  return {
    optional,
    required,
    number(column) {
      const value = required(column)
      if (!/^\d+$/.test(value)) throw notAnAnswer(command, `its ${column} is ${JSON.stringify(value)}`)
      return Number(value)
    },
    lsn(column) {
      const value = required(column)
      try {
        return parseLsn(value)
      } catch {
        throw notAnAnswer(command, `its ${column} is ${JSON.stringify(value)}, which is no LSN`)
      }
    },
  }
}

function notAnAnswer(command: string, why: string): ProtocolError {
  return new ProtocolError(`the answer to ${command} could not be read`, why, 0)
}
