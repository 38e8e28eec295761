import { quoteLiteral } from '../../protocol/messages/quote.ts'
import type { TextRow } from '../../replication/catalog/queryable.ts'
import type { Random } from './random.ts'
import { shopSize } from './shop-schema.ts'
import { cities, firstNames, goods, lastNames, materials, regrets } from './shop-words.ts'

/** What a transaction is done with. */
export interface Till {
  /** Runs one or several statements, and gives the rows of the last. */
  rows(sql: string): Promise<readonly TextRow[]>
  readonly random: Random
}

/** Something that happens in a shop, inside a transaction that is open already. */
export type Happening = (till: Till) => Promise<void>

/** How a shop's tables are changed and emptied: not while they are being copied, since that would begin the copy anew. */
export type Kind = 'everyday' | 'upheaval'

const order: Happening = async ({ rows, random }) => {
  const skus = Array.from({ length: random.integer(1, 4) }, () => quoteLiteral(anySku(random)))
  const found = await rows(
    `SELECT sku, price FROM stock JOIN products USING (sku) WHERE sku IN (${skus.join()}) AND quantity > 3 ORDER BY sku`,
  )
  const items = found.map(([sku, price]) => ({ sku: quoteLiteral(sku ?? ''), price, quantity: random.integer(1, 3) }))
  if (items.length === 0) return
  const total = items.map(({ price, quantity }) => `${price} * ${quantity}`).join(' + ')
  const [[number] = []] = await rows(
    `INSERT INTO orders (customer_id, total) VALUES (${anyCustomer(random)}, ${total}) RETURNING number`,
  )
  const lines = items.map(({ sku, price, quantity }, at) => `(${number}, ${at + 1}, ${sku}, ${quantity}, ${price})`)
  await rows(`INSERT INTO order_items (number, line, sku, quantity, price) VALUES ${lines.join()}`)
  for (const { sku, quantity } of items) {
    await rows(`UPDATE stock SET quantity = quantity - ${quantity} WHERE sku = ${sku}`)
  }
}

const pay: Happening = async ({ rows, random }) => {
  await rows(
    `UPDATE orders SET status = 'paid', payment = '${random.uuid()}' WHERE number = (${orderThatIs('new', random)})`,
  )
}

const ship: Happening = async ({ rows, random }) => {
  await rows(`UPDATE orders SET status = 'shipped' WHERE number = (${orderThatIs('paid', random)})`)
}

const cancel: Happening = async ({ rows, random }) => {
  const [[number] = []] = await rows(
    `UPDATE orders SET status = 'cancelled', note = ${quoteLiteral(random.pick(regrets))}
     WHERE number = (${orderThatIs('new', random)}) RETURNING number`,
  )
  if (number == null) return
  await rows(
    `UPDATE stock SET quantity = stock.quantity + items.quantity FROM order_items AS items
     WHERE items.sku = stock.sku AND number = ${number}`,
  )
}

const forgetOrder: Happening = async ({ rows, random }) => {
  await rows(`DELETE FROM orders WHERE number = (${orderThatIs('cancelled', random)})`)
}

const restock: Happening = async ({ rows, random }) => {
  await rows(
    `UPDATE stock SET quantity = quantity + ${random.integer(5, 40) * 5}, counted = now()
     WHERE sku IN (SELECT sku FROM stock ORDER BY quantity LIMIT ${random.integer(2, 4)})`,
  )
}

/** The description is large and does not change, so that the server does not send it. */
const reprice: Happening = async ({ rows, random }) => {
  const factor = (0.8 + random.next() * 0.4).toFixed(2)
  await rows(`UPDATE products SET price = round(price * ${factor}, 2) WHERE sku = ${quoteLiteral(anySku(random))}`)
}

const describe: Happening = async ({ rows, random }) => {
  const name = `${random.pick(materials)} ${random.pick(goods)}`
  await rows(
    `UPDATE products SET name = ${quoteLiteral(name)},
       description = repeat(${quoteLiteral(`A ${name.toLowerCase()} like no other. `)}, ${random.integer(80, 300)})
     WHERE sku = ${quoteLiteral(anySku(random))}`,
  )
}

const welcome: Happening = async ({ rows, random }) => {
  const [first, last] = [random.pick(firstNames), random.pick(lastNames)]
  const email = `${first}.${last}${random.integer(100, 999)}@example.org`.toLowerCase()
  const preferences = JSON.stringify({ language: random.pick(['en', 'de', 'pt', 'ja']), dark: random.chance(0.5) })
  await rows(
    `INSERT INTO customers (name, email, city, tags, preferences) VALUES (${quoteLiteral(`${first} ${last}`)},
       ${quoteLiteral(email)}, ${random.chance(0.2) ? 'NULL' : quoteLiteral(random.pick(cities))},
       ${random.chance(0.5) ? `'{newsletter,"free delivery"}'` : "'{}'"}, ${quoteLiteral(preferences)})`,
  )
}

const moveHouse: Happening = async ({ rows, random }) => {
  await rows(
    `UPDATE customers SET city = ${quoteLiteral(random.pick(cities))},
       preferences = preferences || ${quoteLiteral(JSON.stringify({ moved: true }))} WHERE id = ${anyCustomer(random)}`,
  )
}

/** The key itself changes. */
const renewSession: Happening = async ({ rows, random }) => {
  await rows(
    `UPDATE carts SET session = '${random.uuid()}', skus = skus || ARRAY[${quoteLiteral(anySku(random))}], idle = '0'
     WHERE session = (SELECT session FROM carts ORDER BY session OFFSET ${random.integer(0, 3)} LIMIT 1)`,
  )
}

const ring: Happening = async ({ rows }) => {
  await rows(
    `SELECT pg_logical_emit_message(true, 'till', 'orders open: ' || count(*)) FROM orders WHERE status = 'new'`,
  )
}

const emptyCarts: Happening = async ({ rows, random }) => {
  await rows('TRUNCATE carts')
  const carts = Array.from(
    { length: 3 },
    () => `('${random.uuid()}', ${anyCustomer(random)}, ARRAY[${quoteLiteral(anySku(random))}])`,
  )
  await rows(`INSERT INTO carts (session, customer_id, skus) VALUES ${carts.join()}`)
}

/** What is done to the schema, over and over: each change, and a row that shows it. */
const reforms: readonly ((random: Random) => string)[] = [
  (random) =>
    `ALTER TABLE customers ADD COLUMN birthday date;
     UPDATE customers SET birthday = date '1970-01-01' + ${random.integer(0, 12_000)} WHERE id = ${anyCustomer(random)}`,
  (random) =>
    `ALTER TABLE customers RENAME COLUMN birthday TO born;
     UPDATE customers SET born = date '1970-01-01' + ${random.integer(0, 12_000)} WHERE id = ${anyCustomer(random)}`,
  (random) =>
    `ALTER TABLE stock ALTER COLUMN shelf TYPE varchar(12);
     UPDATE stock SET shelf = 'N-${random.integer(1, 99)}' WHERE sku = ${quoteLiteral(anySku(random))}`,
  (random) =>
    `ALTER TABLE customers DROP COLUMN born; ALTER TABLE stock ALTER COLUMN shelf TYPE text;
     UPDATE customers SET city = ${quoteLiteral(random.pick(cities))} WHERE id = ${anyCustomer(random)};
     UPDATE stock SET shelf = 'O-${random.integer(1, 99)}' WHERE sku = ${quoteLiteral(anySku(random))}`,
]

/** The next change of the schema, each time that it is called. */
function reformer(): Happening {
  let done = 0
  return async ({ rows, random }) => {
    const reform = reforms[done % reforms.length]
    if (reform !== undefined) await rows(reform(random))
    done++
  }
}

/**
 * All that happens, in an order of chance: what is common often and what is rare seldom, but everything once before
 * anything rare comes again.
 */
export function* happenings(random: Random, wanted: () => Kind): Generator<Happening, never, undefined> {
  const everyday = [
    ...[order, order, order, order, order, pay, pay, pay, ship, ship, cancel, forgetOrder],
    ...[restock, reprice, reprice, describe, welcome, welcome, moveHouse, renewSession, ring],
  ]
  const reform = reformer()
  for (;;) {
    const kind = wanted()
    for (const happening of random.shuffle(
      kind === 'everyday' ? everyday : [...everyday, emptyCarts, reform, reform],
    )) {
      yield happening
      // what may happen now need not wait until all else has
      if (wanted() !== kind) break
    }
  }
}

function anySku(random: Random): string {
  return `SKU-${String(random.integer(1, shopSize.products)).padStart(4, '0')}`
}

function anyCustomer(random: Random): number {
  return random.integer(1, shopSize.customers)
}

function orderThatIs(status: string, random: Random): string {
  return `SELECT number FROM orders WHERE status = '${status}' ORDER BY number DESC OFFSET ${random.integer(0, 9)} LIMIT 1`
}
