import type { TypeOverrides } from '../decoder/types/overrides.ts'
import type { ConnectionInput } from '../protocol/connection/connection-options.ts'
import type { LsnInput } from '../protocol/messages/lsn.ts'
import type { Batch } from './batch.ts'
import type { AnyTables } from './events.ts'
import type { Logger } from './logger.ts'
import type { Position } from './position.ts'
import type { ReconnectOptions } from './reconnection.ts'

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
   */
  readonly start?: Position | LsnInput | undefined
  /** The feed ends there: exactly the transactions with `commitLsn < stop` are delivered. */
  readonly stop?: LsnInput | undefined
  /** `initial` (default): copy the tables, then follow. `never`: follow only. `only`: copy, then end. */
  readonly snapshot?: 'initial' | 'never' | 'only' | undefined
  /** The slot lives as long as the feed's connection. Default false; true for `snapshot: 'only'` without a slot. */
  readonly temporary?: boolean | undefined
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

/** Where a running feed stands. LSNs are text, or undefined while nothing is known. */
export interface FeedStatus {
  readonly phase: 'idle' | 'starting' | 'snapshot' | 'stream' | 'ended'
  /** The latest LSN that was read from the stream. */
  readonly received: string | undefined
  /** The position of the latest batch. */
  readonly delivered: string | undefined
  /** What the server may forget. */
  readonly acknowledged: string | undefined
  /** How far the server said that it has sent. */
  readonly server: string | undefined
  /** Bytes of WAL between what the server has and what was acknowledged. */
  readonly lagBytes: number | undefined
  /** Age of the last delivered transaction at the time when the server sent it; 0 when everything sent was delivered. */
  readonly lagMs: number | undefined
  readonly snapshot: undefined | { readonly tables: number; readonly tablesDone: number; readonly rows: number }
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
