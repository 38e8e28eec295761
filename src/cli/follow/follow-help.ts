/** What `walwire follow --help` prints. */
export const followHelp = `Usage: walwire follow [URL] --publication NAME --slot NAME [options]

Copies the tables of a publication and then follows them, as JSON lines.
Data goes to stdout or --output, everything else to stderr.

Connection
  URL, --url URL            postgres://user@host:port/database?sslmode=…; the variables PGHOST, PGPORT, PGUSER,
                            PGDATABASE … and ~/.pgpass fill in what it lacks

What is followed
  --publication NAME        a publication that exists; may be given several times
  --create-publication LIST makes it first if it is not there: table,schema.table,"Quoted Table" … or all
  --slot NAME               the replication slot; made in the first run
  --temporary               a slot that ends with this run
  --slot-timeout SECONDS    how long making the slot may wait for open transactions (default 60)
  --snapshot WHEN           initial (default): copy, then follow; never: follow only; only: copy, then end
  --start LSN|slot          continue a slot that exists, from this LSN or from where it stands, without a copy
  --stop LSN|now            end there: every transaction that committed before it is written; now: everything that
                            had committed when walwire started

Where it goes
  --output FILE             append to a file, which is synced before the server may forget
  --checkpoint FILE         keep the position in a file, and continue from it; with --output every change is written
                            exactly once, however the run ended
  --format jsonl            one event a line (the only format for now)
  --values native|text      native (default): JSON's own numbers and booleans where they lose nothing;
                            text: the server's text for every value

Transfer
  --binary                  have values sent in binary form where that gives the same output, which costs the server
                            less; tables for which it would not are sent as text

Diagnostics
  --log-level LEVEL         error, warn, info (default) or debug
  --log json                JSON lines on stderr; needs the package pino
  --help

Without --checkpoint a slot that exists is continued only with --start slot, and a change may come twice.
SIGINT and SIGTERM write what is in hand and end; a second one ends at once.

Exit codes
  0  done, stopped by a signal, or the reader of stdout has gone
  1  failed at run time
  2  wrong usage
  3  the position, the slot, the checkpoint or the output cannot be continued without loss
`
