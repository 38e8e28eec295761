import { followOptions } from '../follow/follow-options.ts'
import { type OptionSections, optionHelp, optionKinds } from '../option-help.ts'

/** The options of `walwire adopt`. */
export const adoptOptions = {
  Connection: followOptions.Connection,
  'What is adopted': {
    slot: {
      kind: 'value',
      value: 'NAME',
      text: 'the slot that stands on the server now, and is to be gone on with',
      example: 'shop_feed',
    },
    checkpoint: {
      kind: 'value',
      value: 'FILE',
      text: 'the checkpoint that walwire follow is to go on from; it is kept beside the new one',
      example: 'shop.checkpoint',
    },
    yes: {
      kind: 'flag',
      text: 'write it without asking',
      byDefault: "the slot's name is asked for on a terminal; elsewhere nothing is written",
    },
  },
  Diagnostics: {
    help: { kind: 'flag', text: 'this text' },
  },
} as const satisfies OptionSections

/** What the parser needs to know of them. */
export const adoptOptionKinds = optionKinds(adoptOptions)

/** What `walwire adopt --help` prints. */
export const adoptHelp = `Usage: walwire adopt [URL] --slot NAME --checkpoint FILE [--yes]

Takes a checkpoint over to another server, or to another slot: after an upgrade, a restored backup, a move.
Shows what the checkpoint is of, what stands on the server, and what neither can tell. What is written then has
walwire follow go on where that slot stands: whoever adopts says that the slot has all that the output lacks.

${optionHelp(adoptOptions)}
Examples
  walwire adopt postgres://new.example.com/shop --slot shop_feed --checkpoint shop.checkpoint
  walwire adopt postgres://new.example.com/shop --slot shop_feed --checkpoint shop.checkpoint --yes

Exit codes
  0  the checkpoint was written
  1  failed at run time
  2  wrong usage, or nobody said that it is to be written
  3  there is no slot, or none that can be continued; or the checkpoint cannot be
`
