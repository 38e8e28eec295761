import { optionHelp } from '../option-help.ts'
import { followOptions } from './follow-options.ts'

/** What `walwire follow --help` prints. */
export const followHelp = `Usage: walwire follow [URL] --publication NAME --slot NAME [options]

Copies the tables of a publication and then follows them, as JSON lines or for people to read.
Data goes to stdout or --output, everything else to stderr.

${optionHelp(followOptions)}
SIGINT, SIGTERM and SIGHUP write what is in hand and end; a second one ends at once.

Examples
  walwire follow postgres://localhost/shop --publication shop --create-publication all --slot shop_feed --format pretty
  walwire follow postgres://localhost/shop --publication shop --slot shop_feed \\
    --checkpoint shop.checkpoint --output shop.jsonl
  walwire follow postgres://localhost/shop --publication shop --slot shop_feed --start slot --stop now

Exit codes
  0  done, stopped by a signal, or the reader of stdout has gone
  1  failed at run time
  2  wrong usage
  3  the position, the slot, the checkpoint or the output cannot be continued without loss
`
