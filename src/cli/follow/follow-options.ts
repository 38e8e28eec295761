import { type OptionSections, optionKinds } from '../option-help.ts'

/** The options of `walwire follow`. */
export const followOptions = {
  Connection: {
    url: {
      kind: 'value',
      value: 'URL',
      text: 'where the server is, the same as the argument URL; what it lacks is filled in by the variables PGHOST, PGPORT, PGUSER, PGDATABASE … and by ~/.pgpass',
      byDefault: "libpq's: the local server, the user and the database called as you",
      example: 'postgres://user@host:5432/shop?sslmode=verify-full',
    },
  },
  'When the server is away': {
    wait: {
      kind: 'flag',
      text: 'wait for a server that is not there yet, and for the end of another run that has the checkpoint or the slot',
      byDefault: 'the first connection is tried once, and another run is an error',
    },
    reconnect: {
      kind: 'value',
      value: 'TIMES',
      text: 'how often in a row to try to go on before giving up; 0: not at all',
      byDefault: 'without end, once there was a slot',
      example: '10',
    },
    'reconnect-min': {
      kind: 'value',
      value: 'TIME',
      text: 'the shortest wait before such a try; the longest is as long, and doubles each time',
      byDefault: '250ms',
      example: '1s',
    },
    'reconnect-max': {
      kind: 'value',
      value: 'TIME',
      text: 'what the longest wait doubles up to',
      byDefault: '30s',
      example: '5min',
    },
  },
  'When the slot is lost': {
    'on-lost-slot': {
      kind: 'value',
      value: 'WHAT',
      text: 'fail; or resnapshot: begin anew where the slot is gone or was given up by the server, with a new slot and a copy of all tables that replaces what was written of them; what changed in between is not told',
      byDefault: 'fail',
      example: 'resnapshot',
    },
  },
  'What is followed': {
    publication: {
      kind: 'values',
      value: 'NAME',
      text: 'a publication that exists; may be given several times',
      example: 'shop',
    },
    'create-publication': {
      kind: 'value',
      value: 'LIST',
      text: 'makes the publication first if it is not there: tables, with commas between them, or all',
      example: `'orders,stock,"Quoted Table"'`,
    },
    slot: {
      kind: 'value',
      value: 'NAME',
      text: 'the replication slot; made in the first run',
      example: 'shop_feed',
    },
    temporary: {
      kind: 'flag',
      text: 'a slot that ends with this run, with a name of its own unless --slot gives one',
      byDefault: 'a slot that stays',
    },
    'slot-timeout': {
      kind: 'value',
      value: 'SECONDS',
      text: 'how long making the slot may wait for transactions that are open',
      byDefault: '60',
      example: '300',
    },
    snapshot: {
      kind: 'value',
      value: 'WHEN',
      text: 'initial: copy the tables, then follow; never: follow only; only: copy, then end',
      byDefault: 'initial; with --start never',
      example: 'only',
    },
    start: {
      kind: 'value',
      value: 'LSN|slot',
      text: 'continue a slot that exists, from this LSN or from where it stands, without a copy',
      byDefault: 'the checkpoint, or a new slot',
      example: 'slot',
    },
    stop: {
      kind: 'value',
      value: 'LSN|now',
      text: 'end there: every transaction that committed before it is written; now: everything that had committed when walwire started',
      byDefault: 'go on for ever',
      example: '16/B374D848',
    },
  },
  'Where it goes': {
    output: {
      kind: 'value',
      value: 'FILE',
      text: 'append to a file, which is synced before the server may forget',
      byDefault: 'stdout',
      example: 'shop.jsonl',
    },
    rotate: {
      kind: 'values',
      value: 'SIZE|TIME',
      text: 'write numbered parts instead of one file, shop.000001.jsonl first where the output is shop.jsonl: the next begins at a commit when this one has so many bytes (B, kB, MB, GB, TB), or its first line is so old (s, min, h); given with a size and a time, whichever comes first. A part that another one follows is complete, and never touched again. Needs --checkpoint',
      byDefault: 'one file',
      example: '1GB',
    },
    checkpoint: {
      kind: 'value',
      value: 'FILE',
      text: 'keep the position in a file, and continue from it; with --output every change is written exactly once, however the run ended',
      byDefault: 'none: a slot that exists is continued with --start slot alone, and a change may come twice',
      example: 'shop.checkpoint',
    },
    format: {
      kind: 'value',
      value: 'FORMAT',
      text: 'jsonl: one event a line, for programs; pretty: for people, in colour and as wide as the terminal, with the progress of the copy, times as here (TZ), long values shortened. pretty may change with any release, so it takes no --checkpoint; NO_COLOR=1 and FORCE_COLOR=1 decide on colours',
      byDefault: 'jsonl',
      example: 'pretty',
    },
    values: {
      kind: 'value',
      value: 'FORM',
      text: "native: JSON's own numbers and booleans where they lose nothing; text: the server's text for every value, as --format pretty always has it",
      byDefault: 'native',
      example: 'text',
    },
  },
  Transfer: {
    binary: {
      kind: 'flag',
      text: 'have values sent in binary form where that gives the same output, which costs the server less; tables for which it would not are sent as text',
      byDefault: 'text for all',
    },
  },
  Diagnostics: {
    'log-level': {
      kind: 'value',
      value: 'LEVEL',
      text: 'what is said on stderr: error, warn, info or debug, each with those before it',
      byDefault: 'info; with --format pretty warn',
      example: 'debug',
    },
    log: {
      kind: 'value',
      value: 'json',
      text: 'JSON lines on stderr; needs the package pino',
      byDefault: 'lines for people',
      example: 'json',
    },
    help: { kind: 'flag', text: 'this text' },
  },
} as const satisfies OptionSections

/** What the parser needs to know of them. */
export const followOptionKinds = optionKinds(followOptions)
