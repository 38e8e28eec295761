import { beforeAll, describe, expect, test } from 'vitest'
import { outerVersions, type SharedServer, sharedServer } from '../../server/index.ts'
import { Source } from './helpers/source.ts'

interface Case {
  readonly name: string
  readonly setup: string
  /** In one transaction, while nobody follows. */
  readonly alter: readonly string[]
  /** What is written before it, and how that must come. */
  readonly value: string
  readonly expected: unknown
}

const pair = 'CREATE TYPE pair AS (a int, b int);'
const exchange = ['ALTER TYPE pair DROP ATTRIBUTE b', 'ALTER TYPE pair ADD ATTRIBUTE z int']
const ofPair = `${pair} CREATE TABLE t (id int PRIMARY KEY, v pair)`
const ofPart = 'CREATE TABLE part (a int, b int); CREATE TABLE t (id int PRIMARY KEY, v part)'
const exchangeInPart = ['ALTER TABLE part DROP b', 'ALTER TABLE part ADD z int']

const altered: readonly Case[] = [
  ['and nothing else', exchange],
  ['and renamed', [...exchange, 'ALTER TYPE pair RENAME TO couple']],
  [
    'after it was renamed',
    ['ALTER TYPE pair RENAME TO couple', ...exchange.map((sql) => sql.replace('pair', 'couple'))],
  ],
  ['and moved', [...exchange, 'CREATE SCHEMA elsewhere', 'ALTER TYPE pair SET SCHEMA elsewhere']],
  ['and given away', [...exchange, 'ALTER TYPE pair OWNER TO pg_read_all_data']],
  [
    'by a new name of an attribute, and renamed',
    ['ALTER TYPE pair RENAME ATTRIBUTE b TO z', 'ALTER TYPE pair RENAME TO couple'],
  ],
  ['by one attribute less, and renamed', ['ALTER TYPE pair DROP ATTRIBUTE b', 'ALTER TYPE pair RENAME TO couple']],
  [
    'in savepoints',
    ['SAVEPOINT s', ...exchange, 'RELEASE s', 'SAVEPOINT r', 'ALTER TYPE pair RENAME TO couple', 'RELEASE r'],
  ],
].map(([name, alter]) => ({
  name: `altered ${name}`,
  setup: ofPair,
  alter: [alter ?? []].flat(),
  value: "'(10,20)'",
  expected: '(10,20)',
}))

const nested: readonly Case[] = [
  { type: 'pair[]', make: '', value: `'{"(10,20)"}'`, expected: ['(10,20)'] },
  { type: 'checked', make: 'CREATE DOMAIN checked AS pair CHECK (true);', value: "'(10,20)'", expected: '(10,20)' },
  { type: 'outside', make: 'CREATE TYPE outside AS (x pair);', value: `'("(10,20)")'`, expected: { x: '(10,20)' } },
].map(({ type, make, value, expected }) => ({
  name: `altered and renamed, inside ${type}`,
  setup: `${pair} ${make} CREATE TABLE t (id int PRIMARY KEY, v ${type})`,
  alter: [...exchange, 'ALTER TYPE pair RENAME TO couple'],
  value,
  expected,
}))

const ofTables: readonly Case[] = [
  ['altered', exchangeInPart],
  ['altered and renamed', [...exchangeInPart, 'ALTER TABLE part RENAME TO piece']],
  ['altered and moved', [...exchangeInPart, 'CREATE SCHEMA elsewhere', 'ALTER TABLE part SET SCHEMA elsewhere']],
].map(([name, alter]) => ({
  name: `of a table that was ${name}`,
  setup: ofPart,
  alter: [alter ?? []].flat(),
  value: "'(10,20)'",
  expected: '(10,20)',
}))

const same: readonly Case[] = [
  {
    name: 'renamed alone',
    setup: ofPair,
    alter: ['ALTER TYPE pair RENAME TO couple'],
    value: "'(10,20)'",
    expected: { a: 10, b: 20 },
  },
  {
    name: 'given away alone',
    setup: ofPair,
    alter: ['ALTER TYPE pair OWNER TO pg_read_all_data'],
    value: "'(10,20)'",
    expected: { a: 10, b: 20 },
  },
  {
    name: 'of a table that was renamed',
    setup: ofPart,
    alter: ['ALTER TABLE part RENAME TO piece'],
    value: "'(10,20)'",
    expected: { a: 10, b: 20 },
  },
]

describe.each(outerVersions())('a value of a composite type, on PostgreSQL %i', (version) => {
  let server: SharedServer
  beforeAll(async () => {
    server = await sharedServer(version)
  })

  test.each(
    [...altered, ...nested, ...ofTables, ...same].flatMap((one) => [
      { ...one, freeze: false },
      { ...one, freeze: true },
    ]),
  )(
    '$name, in a transaction after it that nobody followed (rows frozen: $freeze), comes by no other attributes',
    async ({ setup, alter, value, expected, freeze }) => {
      await using source = await Source.make(server, setup)
      const first = await source.followChanges()
      await first.close()
      await source.write(`INSERT INTO t VALUES (1, ${value})`)
      await source.writeTogether(...alter)
      if (freeze)
        await source.write(
          ...['pg_type', 'pg_attribute', 'pg_depend'].map((table) => `VACUUM FREEZE pg_catalog.${table}`),
        )
      const reader = source.follow({ start: first.stored })
      const events = await reader.untilMark(await source.mark())
      expect(events.flatMap((event) => (event.kind === 'insert' ? [event.new.v] : []))).toEqual([expected])
    },
  )

  test('that is made, used, and altered in one transaction, comes by no other attributes', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int)')
    const reader = await source.followChanges()
    await source.writeTogether(
      pair,
      'CREATE TABLE pairs (id int PRIMARY KEY, v pair)',
      "INSERT INTO pairs VALUES (1, '(10,20)')",
      ...exchange,
    )
    const events = await reader.untilMark(await source.mark())
    expect(events.flatMap((event) => (event.kind === 'insert' ? [event.new.v] : []))).toEqual(['(10,20)'])
  })

  test('whose type was only made lately comes as what it is: of a type of its own, and of a table with constraints', async () => {
    await using source = await Source.make(server, 'CREATE TABLE t (id int)')
    const first = await source.followChanges()
    await first.close()
    await source.writeTogether(
      pair,
      'CREATE TABLE part (a int PRIMARY KEY, b int NOT NULL DEFAULT 1 CHECK (b > 0))',
      'CREATE TABLE pairs (id int PRIMARY KEY, v pair, w part)',
      "INSERT INTO pairs VALUES (1, '(10,20)', '(30,40)')",
    )
    const reader = source.follow({ start: first.stored })
    const events = await reader.untilMark(await source.mark())
    expect(events.flatMap((event) => (event.kind === 'insert' ? [event.new] : []))).toEqual([
      { id: 1, v: { a: 10, b: 20 }, w: { a: 30, b: 40 } },
    ])
  })
})
