import { describe, expect, test } from 'vitest'
import { TypeRegistry } from '../../../src/decoder/types/registry.ts'
import { queryRows } from '../../../src/replication/catalog/queryable.ts'
import { readTypes } from '../../../src/replication/catalog/type-catalog.ts'
import { sharedServer, testVersions } from '../../server/index.ts'
import { connect, firstValue } from '../connect.ts'

describe.each(testVersions())('the types of PostgreSQL %i', (major) => {
  test('come with the types under them, which come first', async () => {
    const server = await sharedServer(major)
    using connection = await connect(await server.createDatabase())
    await connection.query(`
      CREATE SCHEMA "My types"; CREATE TYPE "My types"."Mood" AS ENUM ('fine');
      CREATE DOMAIN public.moods AS "My types"."Mood"[]; CREATE DOMAIN public.nested AS public.moods;
      CREATE TYPE public.pair AS (a int, b text); CREATE TABLE public.t (a public.nested[])`)
    const oid = Number(
      await firstValue(
        connection,
        "SELECT atttypid FROM pg_attribute WHERE attname = 'a' AND attrelid = 'public.t'::regclass",
      ),
    )
    const pair = Number(await firstValue(connection, "SELECT 'public.pair'::regtype::oid"))
    const types = await readTypes(connection, [pair, oid, oid])
    expect(
      types.map(({ schema, name }) => `${schema}.${name}`).filter((name) => !/pg_catalog|pair/.test(name)),
    ).toEqual(['My types.Mood', 'My types._Mood', 'public.moods', 'public.nested', 'public._nested'])
    const typeOf = (name: string) => types.find((type) => type.name === name)
    const [mood, moods, domain, nested] = ['Mood', '_Mood', 'moods', 'nested'].map(typeOf)
    expect(mood).toMatchObject({ typtype: 'e', delimiter: ',', elementOid: 0, baseOid: 0, attributes: undefined })
    expect(moods).toMatchObject({ typtype: 'b', elementOid: mood?.oid, baseOid: 0 })
    expect(domain).toMatchObject({ typtype: 'd', elementOid: 0, baseOid: moods?.oid })
    expect(nested).toMatchObject({ typtype: 'd', elementOid: 0, baseOid: domain?.oid })
    expect(typeOf('_nested')).toMatchObject({ oid, typtype: 'b', elementOid: nested?.oid, baseOid: 0 })
    const attributes = [
      { name: 'a', typeOid: 23 },
      { name: 'b', typeOid: 25 },
    ]
    expect(typeOf('pair')).toMatchObject({ oid: pair, typtype: 'c', elementOid: 0, attributes })
    const names = types.map(({ name }) => name)
    expect(names.indexOf('pair')).toBeGreaterThan(Math.max(names.indexOf('int4'), names.indexOf('text')))
  })

  test('in this order a registry reads arrays and domains through all layers', async () => {
    const server = await sharedServer(major)
    using connection = await connect(await server.createDatabase())
    await connection.query('CREATE DOMAIN public.counts AS int4[]; CREATE DOMAIN public.more AS public.counts')
    const oid = Number(await firstValue(connection, "SELECT 'public.more[]'::regtype::oid"))
    const registry = new TypeRegistry()
    for (const type of await readTypes(connection, [oid])) if (registry.get(type.oid) === undefined) registry.add(type)
    const text = new TextEncoder().encode('{"{1,2}","{3}"}')
    expect(registry.get(oid)?.readText(text, 0, text.length)).toEqual([[1, 2], [3]])
    expect(registry.get(oid)?.label).toBe('public._more')
  })

  test('only true arrays have elements', async () => {
    const server = await sharedServer(major)
    using connection = await connect(server.uri())
    const rows = await queryRows(
      connection,
      "SELECT oid FROM pg_type WHERE typname IN ('name', 'point', 'box', '_box', 'jsonb')",
    )
    const types = await readTypes(
      connection,
      rows.map(([oid]) => Number(oid)),
    )
    const withElements = types.filter(({ elementOid }) => elementOid !== 0)
    expect(withElements.map(({ name }) => name)).toEqual(['_box'])
    expect(types.find(({ name }) => name === 'box')?.delimiter).toBe(';')
  })

  test('that are gone are left out', async () => {
    const server = await sharedServer(major)
    using connection = await connect(await server.createDatabase())
    await connection.query("CREATE TYPE public.mood AS ENUM ('fine')")
    const oid = Number(await firstValue(connection, "SELECT 'public.mood'::regtype::oid"))
    await connection.query('DROP TYPE public.mood')
    expect(await readTypes(connection, [oid])).toEqual([])
    expect(await readTypes(connection, [])).toEqual([])
  })
})
