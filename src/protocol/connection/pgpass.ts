/** What a connection is looked up by. */
export interface PasswordKey {
  readonly host: string
  readonly port: string
  readonly dbname: string
  readonly user: string
}

/**
 * Finds the password of a connection in the text of a password file: one entry a line,
 * `host:port:database:user:password`, a field `*` matches anything, `\:` and `\\` are a colon and a backslash, the first
 * line that matches counts, lines that begin with `#` are comments.
 *
 * @see https://www.postgresql.org/docs/current/libpq-pgpass.html
 */
export function passwordFromFile(text: string, key: PasswordKey): string | undefined {
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue
    const fields = splitFields(line.endsWith('\r') ? line.slice(0, -1) : line)
    const [host, port, dbname, user, password] = fields
    if (password === undefined) continue
    if (matches(host, key.host) && matches(port, key.port) && matches(dbname, key.dbname) && matches(user, key.user)) {
      return unescaped(password)
    }
  }
  return undefined
}

/** Cuts at colons without a backslash before them; the escapes stay, so that `\*` is told from `*`. */
function splitFields(line: string): string[] {
  const fields: string[] = []
  let field = ''
  for (let index = 0; index < line.length; index++) {
    const character = line.charAt(index)
    if (character === '\\' && index + 1 < line.length) {
      field += character + line.charAt(++index)
    } else if (character === ':') {
      fields.push(field)
      field = ''
    } else {
      field += character
    }
  }
  fields.push(field)
  return fields
}

function matches(field: string | undefined, value: string): boolean {
  return field === '*' || (field !== undefined && unescaped(field) === value)
}

function unescaped(field: string): string {
  return field.replace(/\\(.)/gs, '$1')
}
