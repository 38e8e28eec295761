import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { follow, WalwireError } from '../../src/index.ts'
import { sharedServer, testVersions } from '../server/index.ts'
import { blocksOf } from './documents.ts'

const blocks = blocksOf('docs/operating.md')

/** The one block that has these words. */
function blockWith(words: string): string {
  const found = blocks.filter(({ text }) => text.includes(words))
  expect(found).toHaveLength(1)
  return found[0]?.text ?? ''
}

let roles = 0

describe.each(testVersions())('docs/operating.md on PostgreSQL %i', (version) => {
  /** A database in which nobody may do anything, and the statements of the document with a role of its own. */
  async function openShop() {
    const server = await sharedServer(version)
    const url = await server.createDatabase()
    const database = new URL(url).pathname.slice(1)
    const sql = postgres(url, { max: 1, onnotice: () => {} })
    await sql.unsafe(`
      CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE customers (id int PRIMARY KEY);
      CREATE PUBLICATION shop FOR TABLE orders, customers;
      REVOKE ALL ON DATABASE ${database} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC`)
    const role = `docs_${process.pid}_${++roles}`
    const grants = blockWith('CREATE ROLE feed')
      .replaceAll(/\bfeed\b/g, role)
      .replaceAll(/DATABASE shop\b/g, `DATABASE ${database}`)
    return {
      sql,
      database,
      role,
      grants,
      uri: server.uri(database, { user: role, password: 'secret' }),
      async [Symbol.asyncDispose]() {
        await sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
        await sql.end({ timeout: 5 })
      },
    }
  }

  /** How a first run with this role ends: with its first position of the stream, or the code of its error. */
  async function outcome(connection: string, snapshot: 'initial' | 'never'): Promise<string> {
    try {
      for await (const { position } of follow({ connection, publication: 'shop', temporary: true, snapshot })) {
        if (position.phase === 'stream') return 'follows'
      }
      return 'ended'
    } catch (error) {
      if (error instanceof WalwireError) return error.code
      throw error
    }
  }

  test('the GRANTs are enough, and each of them is needed for the copy', async () => {
    await using shop = await openShop()
    const { database, role } = shop
    await shop.sql.unsafe(shop.grants)
    expect(await outcome(shop.uri, 'initial')).toBe('follows')
    const revocations: readonly (readonly [take: string, give: string])[] = [
      [`ALTER ROLE ${role} NOREPLICATION`, `ALTER ROLE ${role} REPLICATION`],
      [`REVOKE CONNECT ON DATABASE ${database} FROM ${role}`, `GRANT CONNECT ON DATABASE ${database} TO ${role}`],
      [`REVOKE USAGE ON SCHEMA public FROM ${role}`, `GRANT USAGE ON SCHEMA public TO ${role}`],
      [`REVOKE SELECT ON customers FROM ${role}`, `GRANT SELECT ON customers TO ${role}`],
    ]
    for (const [take, give] of revocations) {
      await shop.sql.unsafe(take)
      expect(await outcome(shop.uri, 'initial'), take).toBe('not_permitted')
      await shop.sql.unsafe(give)
    }
    expect(await outcome(shop.uri, 'initial')).toBe('follows')
  })

  test('following alone needs neither USAGE nor SELECT', async () => {
    await using shop = await openShop()
    await shop.sql.unsafe(shop.grants)
    await shop.sql.unsafe(
      `REVOKE USAGE ON SCHEMA public FROM ${shop.role}; REVOKE ALL ON orders, customers FROM ${shop.role}`,
    )
    expect(await outcome(shop.uri, 'never')).toBe('follows')
  })

  test('the tables whose rows nothing identifies are found, and no others', async () => {
    await using shop = await openShop()
    await shop.sql.unsafe(shop.grants)
    await shop.sql.unsafe(`
      CREATE TABLE keyless (id int); CREATE TABLE whole (id int); ALTER TABLE whole REPLICA IDENTITY FULL;
      CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
      CREATE TABLE by_index (id int NOT NULL UNIQUE); ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_id_key;
      ALTER PUBLICATION shop ADD TABLE keyless, whole, nothing, by_index`)
    const found = await shop.sql.unsafe(blockWith('relreplident'))
    expect(found.map(({ tablename }) => tablename).sort()).toEqual(['keyless', 'nothing'])
    for (const table of ['keyless', 'nothing']) {
      await expect(shop.sql.unsafe(`DELETE FROM ${table}`), table).rejects.toThrow(/replica identity/)
    }
    for (const table of ['whole', 'by_index', 'orders']) await shop.sql.unsafe(`DELETE FROM ${table}`)
  })
})
