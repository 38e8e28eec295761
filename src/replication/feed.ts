import type { TypeOverrides } from '../decoder/types/overrides.ts'
import type { ConnectionInput } from '../protocol/connection/connection-options.ts'
import type { ErrorCode } from '../protocol/messages/errors.ts'
import type { LsnInput } from '../protocol/messages/lsn.ts'
import type { Batch } from './batch.ts'
import type { AnyTables } from './events.ts'
import type { Logger } from './logger.ts'
import type { Position } from './position.ts'
import type { ReconnectOptions } from './reconnection.ts'

/** Where a feed begins: a position that was stored, an LSN, `'slot'`, or undefined for a first run. */
export type FeedStart = Position | LsnInput | undefined

/** What {@link follow} takes. */
export interface FollowOptions {
  /** Where the server is: a URI, or libpq's keywords. PG* variables and ~/.pgpass fill in what is missing. */
  readonly connection?: ConnectionInput | undefined
  /** One or several publications, which must exist. */
  readonly publication: string | readonly string[]
  /** The replication slot. May be left out with a temporary slot, which then gets a name of its own. */
  readonly slot?: string | undefined
  /**
   * What was stored last; undefined the first time.
   * An LSN is a transaction boundary in the slot, continued without the checks that need an identity;
   * `'slot'` continues where the slot stands. Both without a snapshot.
   *
   * A function is asked for it once no other run has the slot, and again at each try until the slot is this feed's: so a run that
   * waited for another begins where that one ended. What it fails with ends the feed (`start_failed`).
   */
  readonly start?: FeedStart | (() => FeedStart | Promise<FeedStart>)
  /** The feed ends there: exactly the transactions with `commitLsn < stop` are delivered. */
  readonly stop?: LsnInput | undefined
  /** `initial` (default): copy the tables, then follow. `never`: follow only. `only`: copy, then end. */
  readonly snapshot?: 'initial' | 'never' | 'only' | undefined
  /** The slot lives as long as the feed's connection. Default false; true for `snapshot: 'only'` without a slot. */
  readonly temporary?: boolean | undefined
  /**
   * What becomes of a feed that cannot go on since its slot is gone, or was given up by the server: `fail` (default) ends it;
   * `resnapshot` begins it anew, with a new slot and a copy of all tables (`mode: 'replace'`). What was committed in between is not
   * delivered as changes. Never where the slot is there and was moved or made anew, or for a position of another system,
   * database or timeline. Not with `temporary`, nor another `snapshot` than `initial`.
   */
  readonly onLostSlot?: 'fail' | 'resnapshot' | undefined
  /**
   * What becomes of a feed whose connections are lost, or whose server is away. It goes on by itself behind the last event that
   * was delivered, after pauses that grow; what was acknowledged meanwhile counts. False: it fails. Default: it goes on, and
   * tries without end, once it has had its slot.
   */
  readonly reconnect?: ReconnectOptions | false | undefined
  /** Aborting it makes the pending pull, or else the next one, reject with its reason. {@link Feed.close} then tells when all is closed. */
  readonly signal?: AbortSignal | undefined
  /** Most events in a batch. Default 10,000. */
  readonly maxBatchRows?: number | undefined
  /** Most bytes, as they came over the wire, in a batch. Default 128 KiB. A single larger row is delivered all the same. */
  readonly maxBatchBytes?: number | undefined
  /** Bytes read ahead of the consumer before reading pauses. Default 8 MiB. */
  readonly maxBufferedBytes?: number | undefined
  /** How long creating the slot may wait for transactions that were open before it. In ms, default 60,000. */
  readonly slotTimeoutMs?: number | undefined
  /** By type name (`jsonb`, `public.mood`): gets the default value, gives what is delivered instead. Not called for NULL. */
  readonly types?: TypeOverrides | undefined
  /**
   * Transfers values in binary form, which costs the server less. Only where that gives exactly the values that text
   * does, for every published column; otherwise text is used all the same, and the log says why. Default false.
   */
  readonly binary?: boolean | undefined
  /** `text`: every value is the server's text as a string, or null. Default `native`. */
  readonly values?: 'native' | 'text' | undefined
  /**
   * What becomes of a text that is not UTF-8, as a database with the encoding SQL_ASCII may have it: `error` (default) ends
   * the feed with `invalid_text`, naming table and column; `bytes` delivers it as a Uint8Array of its bytes, also within an
   * array or composite.
   */
  readonly invalidText?: 'error' | 'bytes' | undefined
  /** Default: silent. */
  readonly logger?: Logger | undefined
}

/**
 * What a feed is at.
 *
 * - `connecting`: its connections are opened, the server and the slot looked at.
 * - `waiting`: before it can copy or stream it waits for what `waitingFor` says, a first pull too.
 * - `snapshot`: tables are copied.
 * - `catching-up`: it streams, and is behind: it has not come to where the server's log ended when the stream began, or the
 *   latest transaction was 5 s old when it was sent.
 * - `streaming`: it streams, and is up to date.
 * - `held`: the server streams, and for 3 s nothing was taken of what has come: the consumer has its batch still, or the catalog
 *   does not answer.
 * - `closed`: it is over, or about to be.
 */
export type FeedActivity = 'connecting' | 'waiting' | 'snapshot' | 'catching-up' | 'streaming' | 'held' | 'closed'

/** What a feed failed with. */
export interface FeedError {
  /** Of a {@link WalwireError}. */
  readonly code: ErrorCode | undefined
  readonly message: string
  readonly at: Date
}

/** A table under copy. */
export interface TableCopyStatus {
  readonly table: string
  /** Delivered, or about to be. */
  readonly rows: number
  /** As the server's statistics have it; -1 where they have nothing. */
  readonly estimatedRows: number
}

/** What the server keeps for the slot of a feed, as it said some 10 s ago at most. */
export interface SlotStatus {
  /** Bytes of WAL from the oldest that is kept for it. */
  readonly retainedBytes: number
  /** Bytes that may still be written until the slot is in danger of being lost; undefined where there is no limit. */
  readonly safeBytes: number | undefined
  /** As in pg_replication_slots: `reserved`, `extended`, `unreserved`, `lost`. */
  readonly walStatus: string | undefined
}

/** How far a copy has come. */
export interface SnapshotStatus {
  readonly tables: number
  readonly tablesDone: number
  /** Of all tables, delivered or about to be. */
  readonly rows: number
  /** The tables that are copied at the moment. */
  readonly copying: readonly TableCopyStatus[]
}

/** Where a running feed stands. LSNs are text, or undefined while nothing is known. */
export interface FeedStatus {
  readonly state: FeedActivity
  /** What it waits for, in words: a lock, a transaction that holds up the slot, the next try and when. */
  readonly waitingFor: string | undefined
  /** What it failed with last, though it may have gone on since. */
  readonly lastError: FeedError | undefined
  /** The latest LSN that was read from the stream. */
  readonly received: string | undefined
  /** The position of the latest batch. */
  readonly delivered: string | undefined
  /** What the server may forget. */
  readonly acknowledged: string | undefined
  /** How far the server's log goes, as it said last. */
  readonly server: string | undefined
  /** Bytes of WAL between what the server has and what was acknowledged. */
  readonly lagBytes: number | undefined
  /** Age of the last delivered transaction at the time when the server sent it; 0 when everything sent was delivered. */
  readonly lagMs: number | undefined
  /** While it streams, and the server was asked. */
  readonly slot: SlotStatus | undefined
  /** While tables are copied. */
  readonly snapshot: SnapshotStatus | undefined
  /** How often other connections took the place of lost ones. */
  readonly reconnects: number
  /** Bytes read ahead of the consumer. */
  readonly bufferedBytes: number
}

/** A running feed: iterate it once. */
export interface Feed<T extends object = AnyTables> extends AsyncIterable<Batch<T>> {
  /**
   * Says that everything up to this position is durable, so that the server may drop that WAL.
   * Synchronous; sent within milliseconds. What is not newer than the last acknowledgement is ignored.
   *
   * @throws {WalwireError} `ack_ahead` beyond the last delivered position; `position_incompatible` for one of another
   * feed, `position_malformed` for what is none.
   */
  ack(position: Position): void
  status(): FeedStatus
  /**
   * Ends the loop normally: the batch in hand is the last, and its `ack` still counts.
   * Resolves when the sockets are closed, within a second.
   */
  close(): Promise<void>
  [Symbol.asyncIterator](): AsyncIterator<Batch<T>, undefined>
  [Symbol.asyncDispose](): Promise<void>
}
