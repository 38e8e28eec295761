import type { Adoption } from '../../replication/adoption.ts'

const labels = 18
const column = 24

/** What is shown before a checkpoint is adopted: what it is of, what stands on the server, and what neither can tell. */
export function adoptionReport({ stored, storedTables, server, unknown }: Adoption): string {
  const rows: readonly (readonly [string, string, string])[] = [
    ['', 'the checkpoint', 'the server'],
    ['system', stored.systemId, server.systemId],
    ['timeline', String(stored.timeline), String(server.timeline)],
    ['database', stored.database, server.database],
    ['slot', stored.slot, server.slot],
    ['where it began', stored.consistentPoint ?? 'not known', 'not known'],
    ['delivered up to', stored.lsn, `${server.confirmedFlush} (confirmed)`],
    ['keeps WAL from', '', server.restartLsn ?? 'not known'],
    ['the server is at', '', server.lsn],
    ['publications', stored.options.publications.join(', '), stored.options.publications.join(', ')],
    ['tables', storedTables === undefined ? 'not known' : String(storedTables), String(server.tables)],
  ]
  const lines = rows.map(([label, ...cells]) => {
    const [left, right] = cells.map((cell) => cell.padEnd(column))
    return `${label.padEnd(labels)}${left}  ${right}`.trimEnd()
  })
  return `${lines.join('\n')}\n\nWhat cannot be known\n${unknown.map((one) => `- ${one}\n`).join('')}`
}
