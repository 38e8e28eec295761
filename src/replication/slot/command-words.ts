/** Words that a statement may begin with, and those that may follow them. Nothing else of another session's SQL is shown. */
const kinds =
  'role user group database schema table index view materialized sequence function procedure trigger type domain ' +
  'extension publication subscription policy foreign server aggregate operator collation language system default ' +
  'event rule statistics tablespace temporary temp unique or replace concurrently into from only transaction work prepared all session'
const commands: Readonly<Record<string, string>> = {
  abort: '',
  alter: kinds,
  analyze: '',
  begin: '',
  call: '',
  checkpoint: '',
  close: '',
  cluster: '',
  comment: '',
  commit: 'prepared',
  copy: '',
  create: kinds,
  deallocate: '',
  declare: '',
  delete: 'from',
  discard: '',
  do: '',
  drop: kinds,
  end: '',
  execute: '',
  explain: '',
  fetch: '',
  grant: '',
  import: '',
  insert: 'into',
  listen: '',
  load: '',
  lock: 'table',
  merge: 'into',
  move: '',
  notify: '',
  prepare: 'transaction',
  reassign: '',
  refresh: 'materialized view',
  reindex: kinds,
  release: '',
  reset: '',
  revoke: '',
  rollback: 'prepared to',
  savepoint: '',
  security: '',
  select: '',
  set: '',
  show: '',
  start: 'transaction',
  table: '',
  truncate: 'table',
  unlisten: '',
  update: 'only',
  vacuum: '',
  values: '',
  with: '',
}
const mostWords = 3

/**
 * What kind of statement a text begins with: `ALTER ROLE`, `UPDATE`. The text of another session may hold a password or
 * somebody's data, so only words of SQL itself come out of it. Undefined where it begins otherwise.
 */
export function commandWords(sql: string): string | undefined {
  const text = sql.replace(/^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|[;(])+/, '')
  const [first = '', ...rest] = text.toLowerCase().split(/[^a-z]+/, mostWords)
  if (!Object.hasOwn(commands, first)) return undefined
  const followers = (commands[first] ?? '').split(' ')
  const end = rest.findIndex((word) => !followers.includes(word))
  return [first, ...(end < 0 ? rest : rest.slice(0, end))].join(' ').trim().toUpperCase()
}
