import { usageError } from '../arguments.ts'
import { quotedArgument } from '../quoted-argument.ts'

/** A table's name as the catalog has it; without a schema it is looked up in the search path. */
export interface TableName {
  readonly schema: string | undefined
  readonly name: string
}

/**
 * Reads the tables of `--create-publication` as psql reads names: folded to lower case unless quoted, a quote inside
 * quotes doubled, a schema before a dot. The bare word `all` stands for every table; a table of that name is `"all"`.
 *
 * @throws {CommandError} `usage` naming where the list cannot be read
 */
export function parseTableList(text: string): 'all' | readonly TableName[] {
  if (text.trim().toLowerCase() === 'all') return 'all'
  const tables: TableName[] = []
  let at = 0
  const skipSpace = () => {
    while (/\s/.test(text[at] ?? '')) at++
  }
  const fail = (why: string) =>
    usageError(
      '--create-publication cannot be read',
      `${why} at character ${at + 1} of ${quotedArgument(text)}`,
      `write table, schema.table or "Quoted Table", with commas between them, or the word all`,
    )
  const identifier = (): string => {
    skipSpace()
    if (text[at] === '"') {
      const quoted = /^"((?:[^"]|"")*)"/.exec(text.slice(at))
      if (!quoted) throw fail('a quote is not closed')
      if (quoted[1] === '') throw fail('a name is empty')
      at += quoted[0].length
      return quoted[1]!.replaceAll('""', '"')
    }
    const bare = /^[A-Za-z_\u0080-\u{10ffff}][A-Za-z0-9_$\u0080-\u{10ffff}]*/u.exec(text.slice(at))
    if (!bare) throw fail('a name is expected')
    at += bare[0].length
    // the server folds ASCII letters alone
    return bare[0].replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  }
  for (;;) {
    const first = identifier()
    skipSpace()
    if (text[at] === '.') {
      at++
      tables.push({ schema: first, name: identifier() })
      skipSpace()
    } else {
      tables.push({ schema: undefined, name: first })
    }
    if (at === text.length) return tables
    if (text[at] !== ',') throw fail('a comma is expected')
    at++
  }
}
