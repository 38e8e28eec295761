import postgres from 'postgres'
import { expect } from 'vitest'
import { type BusyShop, furnish, openBusyShop } from '../end-to-end/busy-shop.ts'
import type { Chance } from '../end-to-end/random.ts'
import { sourceRows } from '../end-to-end/source-rows.ts'
import { bootServer, type TestServer } from '../server/index.ts'

/** The tables of the busy shop that have a key, and are not truncated all the time: a copy of them comes to its end. */
export const keyedTables = ['accounts', 'documents', 'codes'] as const

/** A busy shop of which the tables with a key are published, as `keyed`. */
export interface KeyedShop extends AsyncDisposable {
  readonly server: TestServer
  readonly url: string
  readonly shop: BusyShop
  /** Empties a table, whatever the sessions do. */
  truncate(table: (typeof keyedTables)[number]): Promise<void>
  /** Adds a row that nothing comes after, once the shop was stopped: the account -1. */
  addLast(): Promise<void>
  /** Fails where the rows of a table that were made of the source's changes are not the source's. */
  isEqualTo(rowsOf: (table: string) => readonly string[] | Promise<readonly string[]>): Promise<void>
}

/** Opens it, on a server of its own, since its sessions keep transactions open. */
export async function openKeyedShop(version: number | undefined, chance: Chance): Promise<KeyedShop> {
  const server = await bootServer(version === undefined ? {} : { version })
  const url = await server.createDatabase()
  await furnish(url, 5000)
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  await sql.unsafe(`CREATE PUBLICATION keyed FOR TABLE ${keyedTables.join(', ')}`)
  const shop = openBusyShop(url, chance)
  return {
    server,
    url,
    shop,
    async truncate(table) {
      await sql.unsafe(`TRUNCATE ${table}`)
    },
    async addLast() {
      await sql`INSERT INTO accounts (id) VALUES (-1)`
    },
    async isEqualTo(rowsOf) {
      for (const table of keyedTables) {
        const [there, here] = [await rowsOf(table), await sourceRows(url, table)]
        expect(here.length, table).toBeGreaterThan(0)
        expect(there.length, table).toBe(here.length)
        // a difference of megabytes is not to be printed
        const differing = here.findIndex((row, at) => row !== there[at])
        expect(`${there[differing]?.slice(0, 500)}`, table).toBe(`${here[differing]?.slice(0, 500)}`)
        expect(differing, table).toBe(-1)
      }
    },
    async [Symbol.asyncDispose]() {
      await shop.stop().catch(() => {})
      await sql.end()
      await server[Symbol.asyncDispose]()
    },
  }
}
