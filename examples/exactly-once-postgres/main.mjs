// Keeps the tables of a publication equal in another Postgres. Every batch is one transaction there, and the position is
// a row in it: whatever happens to this process, the destination has each change once.
import { env } from 'node:process'
import postgres from 'postgres'
import { follow, parsePosition } from 'walwire'

const slot = env.SLOT ?? 'exactly_once_postgres'

// Every value is the text that the source's server printed. The driver hands it on as it is: it would otherwise round a
// timestamp to milliseconds, and write JSON as a string in JSON.
const asItIs = (/** @type {string} */ text) => text
const asText = { to: 25, from: [16, 17, 114, 1082, 1114, 1184, 3802], serialize: asItIs, parse: asItIs }
const destination = postgres(env.DESTINATION ?? '', { types: { asText }, onnotice: () => {} })

await destination`CREATE TABLE IF NOT EXISTS walwire_position (slot text PRIMARY KEY, position jsonb NOT NULL)`

/** @type {string | undefined} */
let known

const feed = follow({
  connection: env.SOURCE,
  publication: env.PUBLICATION ?? 'shop',
  slot,
  start: load,
  values: 'text',
  // another run over the slot is waited for, and a server that is not there yet
  reconnect: { first: true },
})
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => feed.close())

for await (const { events, position } of feed) {
  await destination.begin(async (tx) => {
    await store(tx, JSON.stringify(position))
    // sent in this order, without waiting for one answer after the other
    await Promise.all(statements(tx, events))
  })
  // only now may the source forget
  feed.ack(position)
}
await feed.close()
await destination.end()

/** What was stored last. Asked when no other run has the slot; a transaction that one may have left open is waited for. */
async function load() {
  const [stored] = await destination`SELECT position FROM walwire_position WHERE slot = ${slot} FOR UPDATE`
  known = stored?.position
  return known === undefined ? undefined : parsePosition(JSON.parse(known))
}

/**
 * Stores a position in place of the one that this run knows as the last, and of no other: a run that was replaced, and does
 * not know it yet, fails here.
 *
 * @param {import('postgres').TransactionSql} tx
 * @param {string} position
 */
async function store(tx, position) {
  const { count } =
    known === undefined
      ? await tx`INSERT INTO walwire_position VALUES (${slot}, ${position}) ON CONFLICT DO NOTHING`
      : await tx`UPDATE walwire_position SET position = ${position} WHERE slot = ${slot} AND position = ${known}`
  if (count !== 1)
    throw new Error(`the position of slot ${slot} is not the one that was stored last: another run has taken over`)
  known = position
}

/**
 * One statement for each event, and one for all copied rows that come in a row.
 *
 * @param {import('postgres').TransactionSql} tx
 * @param {readonly import('walwire').Event[]} events
 */
function* statements(tx, events) {
  /** @type {import('walwire').Row[]} */
  let copied = []
  for (const [at, event] of events.entries()) {
    if (event.kind !== 'snapshot') {
      yield apply(tx, event)
      continue
    }
    copied.push(event.new)
    if (events[at + 1]?.kind === 'snapshot') continue
    yield tx`INSERT INTO ${tx(event.table)} ${tx(copied)}`
    copied = []
  }
}

/**
 * The statement that does to the destination what was done to the source. None of them tolerates what is there already:
 * nothing comes twice.
 *
 * @param {import('postgres').TransactionSql} tx
 * @param {Exclude<import('walwire').Event, { kind: 'snapshot' }>} event
 */
function apply(tx, event) {
  switch (event.kind) {
    case 'snapshot-begin':
      // a copy that did not come to its end begins again
      return event.mode === 'replace' ? tx`TRUNCATE ${tx(event.table)}` : undefined
    case 'table-left':
      // it was dropped or left the publication while tables were copied: the copy of it would stay for ever
      return tx`TRUNCATE ${tx(event.table)}`
    case 'insert':
      return tx`INSERT INTO ${tx(event.table)} ${tx(event.new)}`
    case 'update': {
      // a large value that did not change is not in `new`, and stays as it is
      const before = event.old ?? event.key ?? event.new
      return tx`UPDATE ${tx(event.table)} SET ${tx(event.new)} WHERE ${identity(tx, event.relation, before)}`
    }
    case 'delete':
      return tx`DELETE FROM ${tx(event.table)} WHERE ${identity(tx, event.relation, event.old ?? event.key)}`
    case 'truncate':
      return tx`TRUNCATE ${tx(event.relations.map(({ table }) => table))}`
    case 'relation':
      // a changed table is changed in the destination beforehand: until then the next row fails, and nothing is lost
      return undefined
    case 'snapshot-end':
    case 'begin':
    case 'commit':
    case 'message':
      return undefined
  }
}

/**
 * The condition that finds a row by its key.
 *
 * @param {import('postgres').TransactionSql} tx
 * @param {import('walwire').Relation} relation
 * @param {import('walwire').Row} row
 */
function identity(tx, { columns }, row) {
  const key = columns.filter((column) => column.key)
  return key.map(({ name }, at) => tx`${at === 0 ? tx`` : tx`AND`} ${tx(name)} = ${String(row[name])}`)
}
