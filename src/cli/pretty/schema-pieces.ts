import type { RelationChange } from '../../replication/events.ts'
import type { Span } from './spans.ts'
import { shownName } from './table-name.ts'
import { typeName } from './type-name.ts'
import { visible } from './visible-text.ts'

/** What is different about a table. */
export function schemaPieces(change: RelationChange): (readonly Span[])[] {
  const { added, dropped, renamed, retyped, identity, table } = change
  return [
    ...(table === undefined ? [] : [[{ text: 'was ', style: 'faint' } as const, { text: visible(table.from) }]]),
    ...added.map((column) => [
      { text: `+ ${shownName(column.name)}`, style: 'after' } as const,
      { text: ` ${shownType(column)}` },
    ]),
    ...dropped.map((column) => [{ text: `- ${shownName(column.name)}`, style: 'before' } as const]),
    ...renamed.map(({ from, to }) => fromTo('', shownName(from), shownName(to))),
    ...retyped.map(({ column, from, to }) => fromTo(`${shownName(column)}: `, shownType(from), shownType(to))),
    ...(identity === undefined
      ? []
      : [fromTo('replica identity: ', identityText(identity.from), identityText(identity.to))]),
  ]
}

function fromTo(label: string, from: string, to: string): Span[] {
  return [
    { text: label, style: 'faint' },
    { text: from, style: 'before' },
    { text: ' → ', style: 'faint' },
    { text: to, style: 'after' },
  ]
}

function shownType(column: Parameters<typeof typeName>[0]): string {
  const name = typeName(column)
  // an ordinary type's name ends with a modifier or brackets, which are no reason to quote it
  return /^[\p{L}_][\p{L}\p{N}_$.]*(\(-?[\d,-]+\))?(\[\])?$/u.test(name)
    ? name.replace(/^public\./, '')
    : shownName(name)
}

function identityText({ replicaIdentity, key }: { replicaIdentity: string; key: readonly string[] }): string {
  return replicaIdentity === 'full' || key.length === 0
    ? replicaIdentity
    : `${replicaIdentity} (${key.map(shownName).join(', ')})`
}
