import { expect, test } from 'vitest'
import { createPublicationSql } from '../../../src/cli/follow/create-publication.ts'
import { parseTableList, type TableName } from '../../../src/cli/follow/table-list.ts'

const table = (name: string, schema?: string): TableName => ({ schema, name })

test.each<[string, 'all' | TableName[]]>([
  ['all', 'all'],
  [' ALL ', 'all'],
  ['"all"', [table('all')]],
  ['public.all', [table('all', 'public')]],
  ['orders', [table('orders')]],
  ['Orders', [table('orders')]],
  ['"Orders"', [table('Orders')]],
  [' a , b.c ,"D"."E f" ', [table('a'), table('c', 'b'), table('E f', 'D')]],
  ['"say ""hi"""', [table('say "hi"')]],
  ['"a,b.c"', [table('a,b.c')]],
  ['_x$1', [table('_x$1')]],
  ['größe', [table('größe')]],
  ['GRÖSSE', [table('grÖsse')]],
  ['"日本"."語"', [table('語', '日本')]],
])('%j', (text, expected) => {
  expect(parseTableList(text)).toEqual(expected)
})

test.each([
  ['', 'a name is expected at character 1'],
  ['a,', 'a name is expected at character 3'],
  ['a,,b', 'a name is expected at character 3'],
  ['a b', 'a comma is expected at character 3'],
  ['a.', 'a name is expected at character 3'],
  ['a.b.c', 'a comma is expected at character 4'],
  ['"a', 'a quote is not closed at character 1'],
  ['""', 'a name is empty at character 1'],
  ['1a', 'a name is expected at character 1'],
  ['a; drop table b', 'a comma is expected at character 2'],
])('%j cannot be read: %s', (text, why) => {
  expect(() => parseTableList(text)).toThrow(why)
})

test('names become SQL quoted, so that none becomes more than a name', () => {
  expect(createPublicationSql('the "shop"', [table('Orders; --'), table('b', 'A')])).toBe(
    'CREATE PUBLICATION "the ""shop""" FOR TABLE "Orders; --", "A"."b"',
  )
  expect(createPublicationSql('p', 'all')).toBe('CREATE PUBLICATION "p" FOR ALL TABLES')
})
