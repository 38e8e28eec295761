import { WalwireError } from './errors.ts'

/**
 * Quotes a name for SQL and for the replication grammar, always, so that case, keywords and any character survive.
 *
 * @throws {WalwireError} `bad_option` for an empty name or one with a zero byte, which no server accepts.
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0')) {
    throw new WalwireError('bad_option', {
      what: 'a name cannot be used in a command',
      why: name === '' ? 'it is empty' : 'it contains a zero byte',
      hint: 'give a name of at least one character',
    })
  }
  return `"${name.replaceAll('"', '""')}"`
}

/**
 * Quotes a text as an SQL literal.
 *
 * A backslash means itself only under standard_conforming_strings, which a role can have off; with one inside, the
 * literal is written as `E'…'` with the backslash doubled, which means the same under both. (libpq's PQescapeLiteral
 * does so too.) A leading space keeps the E away from a word before it.
 *
 * @throws {WalwireError} `bad_option` for a text with a zero byte, which no server accepts.
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS-ESCAPE
 */
export function quoteLiteral(text: string): string {
  refuseNul(text)
  const quoted = text.replaceAll("'", "''")
  return text.includes('\\') ? ` E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`
}

/**
 * Quotes a text as a literal of the replication grammar, whose scanner knows `'…'` with doubled quotes and nothing
 * else: a backslash always means itself there, and `E'…'` is a syntax error.
 *
 * @throws {WalwireError} `bad_option` for a text with a zero byte.
 * @see PG18: src/backend/replication/repl_scanner.l
 */
export function quoteReplicationLiteral(text: string): string {
  refuseNul(text)
  return `'${text.replaceAll("'", "''")}'`
}

function refuseNul(text: string): void {
  if (!text.includes('\0')) return
  throw new WalwireError('bad_option', {
    what: 'a text cannot be used in a command',
    why: 'it contains a zero byte',
    hint: 'remove the zero byte (\\0)',
  })
}
