import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PgArray } from '../../../src/decoder/types/pg-array.ts'
import { TypeRegistry } from '../../../src/decoder/types/registry.ts'
import { ProtocolError } from '../../../src/protocol/messages/errors.ts'
import { failureOf, readInPlace } from './in-place.ts'

const types = new TypeRegistry()
const textArray = types.get(1009)!
const intArray = types.get(1007)!
const boxArray = types.get(1020)!
/** An array of texts that stand apart by semicolons, which only extensions could have. */
const semicolons = types.add({
  oid: 90001,
  schema: 'public',
  name: '_semicolons',
  typtype: 'b',
  delimiter: ',',
  elementOid: types.add({
    oid: 90000,
    schema: 'public',
    name: 'semicolons',
    typtype: 'b',
    delimiter: ';',
    elementOid: 0,
    baseOid: 0,
  }).oid,
  baseOid: 0,
})
const byteaArray = types.get(1001)!

const read = (text: string, type = textArray) => readInPlace(type.readText, text)

/** Everything that array_in gives a meaning, and letters that together make NULL. */
const nastyText = fc.string({
  unit: fc.constantFrom(
    '{',
    '}',
    '"',
    '\\',
    ',',
    ';',
    ' ',
    '\t',
    '\n',
    '\v',
    'N',
    'U',
    'L',
    'n',
    'u',
    'l',
    'é',
    '[',
    '=',
    '😀',
  ),
  maxLength: 8,
})

const lengths = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 6 })

/** Nested lists of these lengths, their elements from `element`. */
function nested<T>(dimensions: readonly number[], element: fc.Arbitrary<T>): fc.Arbitrary<unknown[]> {
  const [length = 1, ...inner] = dimensions
  const item: fc.Arbitrary<unknown> = inner.length === 0 ? fc.option(element) : nested(inner, element)
  return fc.array(item, { minLength: length, maxLength: length })
}

describe('reading what was written', () => {
  test('arrays of any texts, of one to six dimensions, with NULLs (trap 52)', () => {
    fc.assert(
      fc.property(
        lengths.chain((dimensions) => nested(dimensions, nastyText)),
        (value) => {
          expect(read(textArray.encodeText(value))).toStrictEqual(value)
          expect(read(semicolons.encodeText(value), semicolons)).toStrictEqual(value)
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('arrays with bounds, and their text is the very same again (trap 50)', () => {
    const bound = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 5 })
    fc.assert(
      fc.property(
        lengths.chain((dimensions) =>
          fc.tuple(
            nested(dimensions, nastyText),
            fc.array(bound, { minLength: dimensions.length, maxLength: dimensions.length }),
          ),
        ),
        ([values, lowerBounds]) => {
          const text = textArray.encodeText(new PgArray(values, lowerBounds))
          const value = read(text)
          expect(textArray.encodeText(value)).toBe(text)
          if (lowerBounds.every((lower) => lower === 1)) {
            expect(value).toStrictEqual(values)
          } else {
            expect(value).toBeInstanceOf(PgArray)
            expect(value).toMatchObject({ lowerBounds })
            expect(`${value}`).toBe(text)
            expect(Array.from(value instanceof PgArray ? value : [])).toStrictEqual(values)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  test('arrays of bytes, whose every element has escapes', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.uint8Array({ maxLength: 300 }))), (value) => {
        expect(read(byteaArray.encodeText(value), byteaArray)).toStrictEqual(value)
      }),
    )
  })

  test.each([
    [1000, [true, false, null]],
    [1016, [-1n, 2n ** 63n - 1n]],
    [1022, [Number.NaN, -0, Infinity, 5e-324]],
    [1231, ['NaN', '0.00000']],
    [1185, ['2026-01-02 03:04:05.678901+00', '0001-01-01 00:00:00+00 BC', 'infinity']],
    [3807, ['{"a": "b\\"c"}', 'null', null]],
    [199, ['"NULL"']],
  ])('elements of the type under %i', (oid, value) => {
    const type = types.get(oid)!
    expect(read(type.encodeText(value), type)).toStrictEqual(value)
  })
})

describe('the server’s texts', () => {
  test.each<[string, unknown]>([
    ['{}', []],
    ['{NULL}', [null]],
    ['{"NULL"}', ['NULL']],
    ['{null,Null,nULL}', [null, null, null]],
    ['{NULLS}', ['NULLS']],
    ['{""}', ['']],
    ['{"a b"," ","\\""}', ['a b', ' ', '"']],
    ['{"\\\\","{","}","{}",","}', ['\\', '{', '}', '{}', ',']],
    ['{"line\nbreak",x}', ['line\nbreak', 'x']],
    [
      '{{a,b},{c,NULL}}',
      [
        ['a', 'b'],
        ['c', null],
      ],
    ],
    ['{{{{{{a}}}}}}', [[[[[['a']]]]]]],
    ['[1:2]={a,b}', ['a', 'b']],
    [`{${'x'.repeat(70_000)}}`, ['x'.repeat(70_000)]],
    [`{"${'\\"'.repeat(70_000)}"}`, ['"'.repeat(70_000)]],
  ])('%.60s', (text, value) => {
    expect(read(text)).toStrictEqual(value)
  })

  test('boxes stand apart by semicolons (trap 51)', () => {
    expect(read('{(2,2),(1,1);NULL;(0,0),(0,0)}', boxArray)).toEqual(['(2,2),(1,1)', null, '(0,0),(0,0)'])
    expect(boxArray.encodeText(['(2,2),(1,1)', null])).toBe('{(2,2),(1,1);NULL}')
    expect(`${read('[0:1]={(2,2),(1,1);NULL}', boxArray)}`).toBe('[0:1]={(2,2),(1,1);NULL}')
  })

  test('int2vector and oidvector are the server’s text', () => {
    expect(read('1 2', types.get(22))).toBe('1 2')
    expect(read('', types.get(30))).toBe('')
    expect(read('{"1 2",""}', types.get(1006))).toEqual(['1 2', ''])
  })
})

describe('malformed text', () => {
  test.each([
    '',
    '{',
    '}',
    '{}}',
    '{} ',
    ' {}',
    'x',
    '{a',
    '{a,',
    '{a,}',
    '{,a}',
    '{,}',
    '{{}}',
    '{{},{}}',
    '{{a},{}}',
    '{a,{b}}',
    '{{a},b}',
    '{{a},{b,c}}',
    '{{{a}},{b}}',
    '{a b}',
    '{a, b}',
    '{a\tb}',
    '{a"b"}',
    '{"a"b}',
    '{"a',
    '{"a\\',
    '{"a\\"}',
    '{a\\b}',
    '{{{{{{{a}}}}}}}',
    '{a}{b}',
    '[',
    '[]={a}',
    '[1]={a}',
    '[1:]={a}',
    '[:1]={a}',
    '[-:1]={a}',
    '[1:1]',
    '[1:1]{a}',
    '[1:1=]{a}',
    '[1:2]={a}',
    '[0:0][0:0]={a}',
    '[0:0]={{a}}',
    '[0:0]={}',
    '[a:b]={a}',
    '[12345678901:12345678901]={a}',
    '[0:0][0:0][0:0][0:0][0:0][0:0][0:0]={{{{{{{a}}}}}}}',
  ])('%s is refused', (text) => {
    expect(failureOf(textArray.readText, text)).toBeInstanceOf(ProtocolError)
  })

  test('a failure says where, counted from the beginning of the value', () => {
    expect(failureOf(textArray.readText, '{a,b c}')).toMatchObject({ code: 'protocol_violation', offset: 4 })
    expect(failureOf(textArray.readText, '[0:1]={a}')).toMatchObject({ offset: 0 })
    expect(failureOf(textArray.readText, '{"abc')).toMatchObject({ offset: 1 })
  })

  test('no text makes the parser do anything but return or refuse, and what it returns is written back the same', () => {
    const soup = fc.string({
      unit: fc.constantFrom('{', '}', '"', '\\', ',', 'a', 'NULL', '[', ']', ':', '=', '1', '-', ' '),
    })
    fc.assert(
      fc.property(soup, fc.boolean(), (inner, braces) => {
        const text = braces ? `{${inner}}` : inner
        let value: unknown
        try {
          value = read(text)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
          return
        }
        expect(read(textArray.encodeText(value))).toStrictEqual(value)
      }),
      { numRuns: 5000 },
    )
  })

  test('a megabyte of opening braces or quotes is refused at once', () => {
    for (const text of ['{'.repeat(1 << 20), '{"'.repeat(1 << 19), '['.repeat(1 << 20), '{a,'.repeat(1 << 18)]) {
      expect(failureOf(textArray.readText, text)).toBeInstanceOf(ProtocolError)
    }
  })

  test('an element that fails leaves nothing behind for the next', () => {
    expect(failureOf(intArray.readText, '{"1\\x"}')).toBeInstanceOf(ProtocolError)
    expect(read('{"\\"a\\""}')).toEqual(['"a"'])
  })
})

describe('PgArray', () => {
  const value = new PgArray([1, null, 3], [-1])

  test('is an array', () => {
    expect(Array.isArray(value)).toBe(true)
    expect([...value]).toEqual([1, null, 3])
    expect(value).toHaveLength(3)
  })

  test('what is derived from it is a plain array', () => {
    for (const derived of [value.map((x) => x), value.slice(), value.filter(() => true), value.concat([])]) {
      expect(derived).not.toBeInstanceOf(PgArray)
      expect(derived).toStrictEqual([1, null, 3])
    }
  })

  test('prints what the server reads back', () => {
    expect(`${value}`).toBe('[-1:1]={1,NULL,3}')
    const nested = new PgArray(
      [
        [true, null],
        ['a b', new Uint8Array([255])],
      ],
      [0, 1],
    )
    expect(`${nested}`).toBe('[0:1][1:2]={{t,NULL},{"a b","\\\\xff"}}')
    expect(`${new PgArray([-0, Number.NaN, 1n], [2])}`).toBe('[2:4]={-0,NaN,1}')
    expect(`${new PgArray([], [])}`).toBe('{}')
  })

  test('keeps its bounds in JSON', () => {
    expect(JSON.stringify(value)).toBe('{"lowerBounds":[-1],"values":[1,null,3]}')
  })
})
