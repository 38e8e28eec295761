import type { PublishedMembers } from './publication.ts'
import { type CandidateTable, publishedActions } from './publication-rows.ts'

/** Something that publications leave out, and that nobody would hear of otherwise. */
export interface PublicationNote {
  readonly data: object
  readonly message: string
}

/** So many names are enough to see what is meant. */
const shownNames = 10

/** What of a publication a follower might wait for in vain: no tables at all, changes of some kind, tables of some kind. */
export function publicationNotes({ publications, candidates, members }: PublishedMembers): readonly PublicationNote[] {
  const notes: PublicationNote[] = []
  for (const { name: publication, oid, publishes } of publications) {
    if (!members.some((member) => member.publications.some((through) => through.oid === oid))) {
      const message = `publication ${publication} has no table now: nothing comes through it`
      notes.push({ data: { publication }, message })
    }
    const missing = publishedActions.filter((action) => !publishes.includes(action))
    if (missing.length === 0) continue
    const all = publishes.length === 0 ? 'nothing' : `${publishes.join(', ')} alone`
    notes.push({
      data: { publication, publishes },
      message: `publication ${publication} publishes ${all}: ${missing.join(', ')} never come through it, and what they do is missed`,
    })
  }
  const unlogged = candidates.filter(({ persistence, kind }) => persistence === 'u' && kind === 'r')
  if (unlogged.length > 0) notes.push(leftOut(unlogged, 'unlogged', 'what is done to them is not in the WAL'))
  const foreign = candidates.filter(({ kind }) => kind === 'f')
  if (foreign.length > 0) notes.push(leftOut(foreign, 'foreign', 'their rows are on another server'))
  return notes
}

function leftOut(tables: readonly CandidateTable[], kind: string, why: string): PublicationNote {
  const names = tables.map(({ schema, name }) => `${schema}.${name}`)
  const more = names.length - shownNames
  const list = names.slice(0, shownNames).join(', ') + (more > 0 ? ` and ${more} more` : '')
  return { data: { tables: names }, message: `${kind} tables are neither copied nor followed, since ${why}: ${list}` }
}
