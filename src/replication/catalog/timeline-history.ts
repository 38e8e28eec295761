import { ProtocolError } from '../../protocol/messages/errors.ts'
import { type Lsn, parseLsn } from '../../protocol/messages/lsn.ts'
import {
  type CommandResult,
  readTimelineHistoryFile,
  timelineHistoryCommand,
} from '../../protocol/messages/replication-commands.ts'

/** Where a timeline was left: WAL at or past `end` belongs to the next one. */
export interface TimelineSwitch {
  readonly timeline: number
  readonly end: Lsn
}

/** What answers TIMELINE_HISTORY: the file comes as it is, in whatever encoding its reasons were written. */
export interface HistorySource {
  queryBytes(sql: string): Promise<readonly CommandResult<Uint8Array>[]>
}

const latin1 = new TextDecoder('latin1')

/**
 * Asks for the ancestors of the server's timeline, over a connection with `replication=database`. The first timeline of
 * a cluster has none, and no history file.
 *
 * @see https://www.postgresql.org/docs/current/protocol-replication.html TIMELINE_HISTORY
 */
export async function readTimelineHistory(replication: HistorySource, timeline: number): Promise<TimelineSwitch[]> {
  if (timeline <= 1) return []
  const [result] = await replication.queryBytes(timelineHistoryCommand(timeline))
  return parseTimelineHistory(latin1.decode(readTimelineHistoryFile(result).content))
}

const historyLine = /^\s*(\d+)\s+([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})(?![0-9A-Fa-f])/

/**
 * Reads a timeline history file: a line for each ancestor with its number, the LSN at which it was left, and a reason,
 * with tabs between. Lines that are empty or begin with `#` are comments.
 *
 * @throws {ProtocolError} for any other line: to overlook an ancestor would be to miss that a position is on another branch.
 * @see PG18: src/backend/access/transam/timeline.c readTimeLineHistory
 */
export function parseTimelineHistory(content: string): TimelineSwitch[] {
  const switches: TimelineSwitch[] = []
  let offset = 0
  for (const line of content.split('\n')) {
    if (!/^\s*(#|$)/.test(line)) {
      const [, timeline, end] = historyLine.exec(line) ?? []
      if (timeline === undefined || end === undefined) {
        throw new ProtocolError('the timeline history could not be read', `a line says ${JSON.stringify(line)}`, offset)
      }
      switches.push({ timeline: Number(timeline), end: parseLsn(end) })
    }
    offset += line.length + 1
  }
  return switches
}

/** Where the server's line of history left a timeline; undefined when that is no ancestor of it. */
export function switchPoint(history: readonly TimelineSwitch[], timeline: number): Lsn | undefined {
  return history.find((entry) => entry.timeline === timeline)?.end
}
