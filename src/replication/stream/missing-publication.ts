import type { ErrorFields } from '../../protocol/messages/error-fields.ts'
import { WalwireError } from '../../protocol/messages/errors.ts'

/**
 * From 18 on the server only warns of a publication that does not exist, by this function of its own, and leaves out
 * the changes that it would have published.
 *
 * @see PG18: src/backend/replication/pgoutput/pgoutput.c LoadPublications
 */
const publicationLoader = 'LoadPublications'

/** The error of a notice that says so; undefined for any other notice. */
export function publicationMissing(notice: ErrorFields, slot: string | undefined): WalwireError | undefined {
  const { code, message, detail, routine } = notice
  if (routine !== publicationLoader) return undefined
  return new WalwireError('publication_missing', {
    what: 'the stream cannot go on without leaving changes out',
    why: `the server says ${code}: ${message}${detail === undefined ? '' : `; ${detail}`}`,
    hint: 'the publication did not exist when a change was made, or was dropped since; make it, and begin with a new slot and snapshot',
    slot,
    sqlstate: code,
  })
}
