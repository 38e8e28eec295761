import { type Channel, channel } from 'node:diagnostics_channel'
import type { ErrorCode } from '../protocol/messages/errors.ts'
import { formatLsn } from '../protocol/messages/lsn.ts'
import type { Connections } from './connections.ts'
import type { Event } from './events.ts'
import type { Position } from './position.ts'

/**
 * What feeds say of themselves in channels of `node:diagnostics_channel`, by the channel's name: for whoever watches a process
 * without being in its loop. A message comes within the call that it is of; whoever takes it must not throw, nor take long. LSNs are
 * text.
 */
export interface FeedMessages {
  /** A feed has its connections, the first time and each time that others took the place of lost ones. */
  readonly 'walwire:connect': {
    readonly slot: string
    readonly systemId: string
    readonly timeline: number
    /** As `server_version_num`: 170010. */
    readonly serverVersion: number
    readonly inRecovery: boolean
    /** Processes of the server. */
    readonly replicationPid: number
    readonly ordinaryPid: number
  }
  /** The consumer gets a batch. */
  readonly 'walwire:batch': {
    readonly slot: string
    readonly phase: Position['phase']
    readonly lsn: string
    readonly events: number
    readonly atCommit: boolean
    /** As in {@link FeedStatus}. */
    readonly lagMs: number | undefined
  }
  /** The consumer has acknowledged more than before. */
  readonly 'walwire:ack': {
    readonly slot: string
    /** What the server may forget. */
    readonly lsn: string
  }
  /** A feed failed in a way that may pass, and will try to go on. `walwire:connect` says that it did. */
  readonly 'walwire:reconnect': {
    readonly slot: string
    /** Why. */
    readonly code: ErrorCode | undefined
    readonly message: string
    /** Which try it will be since there was progress, from 1. */
    readonly attempt: number
    readonly delayMs: number
  }
  /** The copy of a table begins or ends with the batch that the consumer gets. */
  readonly 'walwire:snapshot': {
    readonly slot: string
    readonly table: string
    readonly step: 'begin' | 'end'
    /** Where the rows are seen. */
    readonly lsn: string
    /** At its end: how many were copied. */
    readonly rows: number | undefined
  }
}

const channels = {
  'walwire:connect': channel('walwire:connect'),
  'walwire:batch': channel('walwire:batch'),
  'walwire:ack': channel('walwire:ack'),
  'walwire:reconnect': channel('walwire:reconnect'),
  'walwire:snapshot': channel('walwire:snapshot'),
} satisfies Record<keyof FeedMessages, Channel>

/** Says something to whoever listens; where nobody does, the message is not even made. */
export function tell<Name extends keyof FeedMessages>(name: Name, message: () => FeedMessages[Name]): void {
  const to = channels[name]
  if (to.hasSubscribers) to.publish(message())
}

/** Says which copies of tables begin and end with these events, if anybody listens. */
export function tellOfCopies(slot: string, events: readonly Event[]): void {
  if (!channels['walwire:snapshot'].hasSubscribers) return
  for (const event of events) {
    const { kind } = event
    if (kind !== 'snapshot-begin' && kind !== 'snapshot-end') continue
    tell('walwire:snapshot', () => ({
      slot,
      table: event.table,
      step: kind === 'snapshot-begin' ? 'begin' : 'end',
      lsn: formatLsn(event.lsn),
      rows: event.kind === 'snapshot-end' ? event.rows : undefined,
    }))
  }
}

/** Says that a feed has its connections. */
export function tellOfConnections(slot: string, { server, processes }: Connections): void {
  tell('walwire:connect', () => ({
    slot,
    systemId: server.systemId,
    timeline: server.timeline,
    serverVersion: server.version,
    inRecovery: server.inRecovery,
    replicationPid: processes.replication,
    ordinaryPid: processes.ordinary,
  }))
}
