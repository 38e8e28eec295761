import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { copyTextLayout } from '../../src/decoder/copy-text.ts'
import type { TupleValue } from '../../src/decoder/messages.ts'
import { Cursor, canGenerateCode, type Field, type RowLayout, rowReader } from '../../src/decoder/row-reader.ts'
import { tupleLayout } from '../../src/decoder/tuple.ts'
import { TypeRegistry } from '../../src/decoder/types/registry.ts'
import { ProtocolError } from '../../src/protocol/messages/errors.ts'
import { Writer } from '../../src/protocol/messages/writer.ts'
import { law } from '../property.ts'
import {
  anyName,
  anyText,
  hostileNames,
  rowOfAnything,
  rowWithUnchanged,
  type SentColumn,
  utf8,
  wellFormedRow,
} from './arbitraries.ts'
import {
  type BufferedRow,
  buffered,
  copyLineOf,
  expectedOutcome,
  fieldOf,
  type Outcome,
  outcomeOf,
  tupleOf,
} from './wire-rows.ts'

const nothing = new Uint8Array(0)
const types = new TypeRegistry()
const text = types.get(25)!.readText

/** Bytes of other messages around a row: the more they look like the row going on, the better. */
const surroundings = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.constantFrom('nnnnnn', 't\0\0\0\0t\0\0\0\0', 'uuu', '\t\t\t\n', '\n\n', '\\N\t\\N\n', '\\', 'N\n').map(utf8),
)

/** Any byte, those that mean something in a row most of all. */
const meaningfulByte = fc.oneof(fc.constantFrom(...utf8('tnub\t\n\\N\0')), fc.nat(255))

const layouts: readonly {
  readonly name: string
  readonly layout: RowLayout
  readonly encode: (values: readonly TupleValue[]) => Uint8Array
  readonly rows: fc.Arbitrary<SentColumn[]>
}[] = [
  { name: 'tuples', layout: tupleLayout, encode: tupleOf, rows: rowWithUnchanged },
  { name: 'lines of COPY', layout: copyTextLayout, encode: copyLineOf, rows: wellFormedRow },
]

/** Both readers of one row, which share nothing. */
function readBoth(layout: RowLayout, fields: readonly Field[], row: BufferedRow): [compiled: Outcome, plain: Outcome] {
  const [first, second] = [new Cursor(), new Cursor()]
  return [
    outcomeOf(layout.compile(fields, first, layout.interpret(fields, first)), first, row),
    outcomeOf(layout.interpret(fields, second), second, row),
  ]
}

function readCompiled(layout: RowLayout, fields: readonly Field[], row: Uint8Array): Outcome {
  const cursor = new Cursor()
  return outcomeOf(rowReader(layout, fields, cursor, 'public.t'), cursor, buffered(row, nothing, nothing))
}

function valuesOf(columns: readonly SentColumn[]): TupleValue[] {
  return columns.map(({ sent }) => sent)
}

function textFields(names: readonly string[]): Field[] {
  return names.map((name) => ({ name, read: text }))
}

test('this process may generate code, so that the compiled readers are the ones that are tested', () => {
  expect(canGenerateCode()).toBe(true)
})

describe.each(layouts)('$name', ({ layout, encode, rows }) => {
  law(
    'come out the same, compiled and interpreted: values, own properties in order, end, unchanged columns',
    fc.property(rows, surroundings, surroundings, (columns, before, after) => {
      const row = encode(valuesOf(columns))
      const expected = expectedOutcome(columns, row.length)
      const [compiled, interpreted] = readBoth(layout, columns.map(fieldOf), buffered(row, before, after))
      expect(interpreted).toEqual(expected)
      expect(compiled).toEqual(expected)
    }),
    400,
  )

  law(
    'that are well formed are read by the generated code alone',
    fc.property(rows, (columns) => {
      fc.pre(columns.length > 0)
      const fields = columns.map((column) => fieldOf({ ...column, skipped: false }))
      const cursor = new Cursor()
      const compiled = layout.compile(fields, cursor, () => expect.unreachable('the row was left to the other reader'))
      const row = encode(valuesOf(columns))
      expect(outcomeOf(compiled, cursor, buffered(row, nothing, nothing))).toMatchObject({ end: row.length })
    }),
  )

  law(
    'one after another say nothing of the one before',
    fc.property(
      rows,
      fc.array(fc.array(fc.nat(2), { minLength: 8, maxLength: 8 }), { maxLength: 4 }),
      (columns, picks) => {
        const cursor = new Cursor()
        const fields = columns.map(fieldOf)
        const interpreted = layout.interpret(fields, cursor)
        for (const read of [layout.compile(fields, cursor, interpreted), interpreted]) {
          for (const pick of [[], ...picks]) {
            const changed = columns.map((column, index) => (pick[index] === 1 ? { ...column, sent: null } : column))
            const row = encode(valuesOf(changed))
            const outcome = outcomeOf(read, cursor, buffered(row, nothing, nothing))
            expect(outcome).toEqual(expectedOutcome(changed, row.length))
          }
        }
      },
    ),
  )

  law(
    'stay what they were when the buffer under them is written over (traps 61 and 74)',
    fc.property(rows, rows, (columns, others) => {
      const expected = expectedOutcome(columns, encode(valuesOf(columns)).length)
      const cursor = new Cursor()
      const read = rowReader(layout, columns.map(fieldOf), cursor, 'public.t')
      const row = buffered(encode(valuesOf(columns)), nothing, nothing)
      const kept = outcomeOf(read, cursor, row)
      row.bytes.fill(0x2a)
      // whatever scratch memory readers share is written over, too
      const next = buffered(encode(valuesOf(others)), nothing, nothing)
      outcomeOf(rowReader(layout, others.map(fieldOf), cursor, 'public.u'), cursor, next)
      expect(kept).toEqual(expected)
    }),
  )

  law(
    'that were cut short at any byte are errors with an offset, whatever follows in the buffer',
    fc.property(rows, surroundings, (columns, after) => {
      const row = encode(valuesOf(columns))
      const fields = columns.map(fieldOf)
      for (let length = 0; length < row.length; length++) {
        for (const rest of [nothing, row.subarray(length), after]) {
          const [compiled, interpreted] = readBoth(layout, fields, buffered(row.subarray(0, length), nothing, rest))
          expect(interpreted).toMatchObject({ failed: 'ProtocolError protocol_violation' })
          expect(interpreted).toSatisfy(hasOffsetWithin(length))
          expect(compiled).toEqual(interpreted)
        }
      }
    }),
    40,
  )

  law(
    'with bytes changed at random are read alike or refused alike, by an error of our own',
    fc.property(
      rowOfAnything,
      fc.array(fc.tuple(fc.nat(), meaningfulByte), { maxLength: 3 }),
      surroundings,
      (columns, changes, after) => {
        const row = encode(valuesOf(columns))
        for (const [place, byte] of changes) row[place % row.length] = byte
        const [compiled, interpreted] = readBoth(layout, columns.map(fieldOf), buffered(row, nothing, after))
        expect(compiled).toEqual(interpreted)
      },
    ),
    1000,
  )

  law(
    'of another number of columns than the table are errors and never a shifted row',
    fc.property(fc.array(anyText.map(utf8), { maxLength: 4 }), fc.nat(4), (values, expected) => {
      fc.pre(values.length !== expected)
      // a line with one empty column is what COPY sends of no columns at all
      fc.pre(
        !(layout === copyTextLayout && values.every((value) => value.length === 0) && expected + values.length < 2),
      )
      const fields = textFields(['a', 'b', 'c', 'd'].slice(0, expected))
      const [compiled, interpreted] = readBoth(layout, fields, buffered(encode(values), nothing, nothing))
      expect(interpreted).toMatchObject({ failed: 'ProtocolError protocol_violation' })
      expect(compiled).toEqual(interpreted)
    }),
  )

  test.each([0, 1, 1600])('of %i columns come out whole', (count) => {
    const columns = Array.from({ length: count }, (_, index): SentColumn => {
      const sent = index % 7 === 3 ? null : utf8(`value ${index}`)
      return { name: `column ${index}`, typeOid: 25, skipped: false, sent }
    })
    const row = encode(valuesOf(columns))
    const [compiled, interpreted] = readBoth(layout, columns.map(fieldOf), buffered(row, nothing, nothing))
    expect(compiled).toEqual(expectedOutcome(columns, row.length))
    expect(interpreted).toEqual(compiled)
  })

  test('hold a value of some megabytes as a copy of its own', () => {
    const value = new Uint8Array(3 << 20).fill(0x61)
    const row = buffered(encode([value]), nothing, nothing)
    const cursor = new Cursor()
    const read = rowReader(layout, textFields(['a']), cursor, 'public.t')(row.bytes, row.start, row.end)
    row.bytes.fill(0x62)
    expect(read.a === 'a'.repeat(3 << 20)).toBe(true)
  })

  test('whose value cannot be read say in which column of which table, compiled as interpreted', () => {
    const refused: Field = {
      name: 'amount',
      read: () => raise(new ProtocolError('a number could not be read', 'no', 3)),
    }
    const reader = rowReader(layout, [...textFields(['id']), refused], new Cursor(), 'public.orders')
    const row = encode([utf8('1'), utf8('two')])
    expect(() => reader(row, 0, row.length)).toThrow(
      expect.objectContaining({
        code: 'protocol_violation',
        what: 'a value of column amount in table public.orders could not be read',
        table: 'public.orders',
        column: 'amount',
      }),
    )
  })

  test("whose value a caller's own function refuses blame that function", () => {
    const refused: Field = { name: 'amount', read: () => raise(new RangeError('too much')) }
    const reader = rowReader(layout, [refused], new Cursor(), 'public.orders')
    const row = encode([utf8('1')])
    expect(() => reader(row, 0, row.length)).toThrow(
      expect.objectContaining({ code: 'types_failed', table: 'public.orders', column: 'amount' }),
    )
  })

  describe('with hostile column names', () => {
    afterEach(() => {
      expect(globalThis).not.toHaveProperty('intruder')
    })

    test.each(hostileNames.map((name) => ({ name })))('take $name as a name', ({ name }) => {
      const names = ['first', name, 'last']
      const row = encode([utf8('before'), utf8('here'), null])
      const expected = { first: 'before' }
      Object.defineProperty(expected, name, { value: 'here', enumerable: true })
      Object.defineProperty(expected, 'last', { value: null, enumerable: true })
      expect(readCompiled(layout, textFields(names), row)).toEqual({
        entries: Object.entries(expected),
        plain: true,
        end: row.length,
        unchanged: undefined,
      })
    })

    test('take all of them at once', () => {
      const row = encode(hostileNames.map(utf8))
      const outcome = readCompiled(layout, textFields(hostileNames), row)
      expect(outcome).toMatchObject({ plain: true, end: row.length })
      expect('entries' in outcome && new Map(outcome.entries)).toEqual(
        new Map(hostileNames.map((name) => [name, name])),
      )
    })

    law(
      'take whatever a name is made of as a name',
      fc.property(
        fc.array(fc.oneof(anyName, fc.constantFrom('"', "'", '`', '\\', '\n', ']', '}', ')', ';', ':', ',')), {
          minLength: 1,
          maxLength: 6,
        }),
        (parts) => {
          const name = parts.join('')
          const row = encode([utf8('here')])
          expect(readCompiled(layout, textFields([name]), row)).toEqual({
            entries: [[name, 'here']],
            plain: true,
            end: row.length,
            unchanged: undefined,
          })
        },
      ),
    )
  })
})

describe('tuples', () => {
  test('of a key have the columns of the key alone, whatever stands beside them (trap 36)', () => {
    const fields: Field[] = [
      { name: 'note', read: null },
      { name: 'id', read: text },
      { name: 'photo', read: null },
    ]
    for (const beside of [null, utf8('a value')]) {
      const row = tupleOf([beside, utf8('7'), beside])
      expect(readCompiled(tupleLayout, fields, row)).toMatchObject({ entries: [['id', '7']], end: row.length })
    }
  })

  law(
    'whose values come in binary, in text or not at all give what their texts give, compiled and interpreted',
    fc.property(rowWithUnchanged, fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), (columns, inBinary) => {
      const known = columns.map(({ typeOid, skipped }) => (skipped ? undefined : types.get(typeOid)))
      const fields = columns.map((column, index) => ({ ...fieldOf(column), readBinary: known[index]?.readBinary }))
      const tuple = new Writer().int16(columns.length)
      for (const [index, { sent }] of columns.entries()) {
        const type = known[index]
        if (sent === null || sent === 'unchanged') tuple.tag(sent === null ? 'n' : 'u')
        else if (inBinary[index] && type?.encodeBinary !== undefined) {
          const binary = type.encodeBinary(type.readText(sent, 0, sent.length))
          tuple.tag('b').int32(binary.length).bytes(binary)
        } else tuple.tag('t').int32(sent.length).bytes(sent)
      }
      const row = tuple.finish()
      const [compiled, interpreted] = readBoth(tupleLayout, fields, buffered(row, nothing, nothing))
      expect(interpreted).toEqual(expectedOutcome(columns, row.length))
      expect(compiled).toEqual(interpreted)
      for (let length = 0; length < row.length; length++) {
        const [cut, slowlyCut] = readBoth(tupleLayout, fields, buffered(row.subarray(0, length), nothing, row))
        expect(slowlyCut).toMatchObject({ failed: 'ProtocolError protocol_violation' })
        expect(cut).toEqual(slowlyCut)
      }
    }),
    40,
  )

  test('say which columns are unchanged TOAST, and have no property for them (trap 34: it is not NULL)', () => {
    const row = tupleOf([utf8('1'), 'unchanged', null, 'unchanged'])
    expect(readCompiled(tupleLayout, textFields(['a', 'b', 'c', 'd']), row)).toEqual({
      entries: [
        ['a', '1'],
        ['c', null],
      ],
      plain: true,
      end: row.length,
      unchanged: [1, 3],
    })
  })

  test.each([
    ['a length beyond the row', [0, 1, 0x74, 0, 0, 0, 2, 0x61], 2, 'says that it is 2 bytes long, 1 remain'],
    ['a negative length', [0, 1, 0x74, 0xff, 0xff, 0xff, 0xff, 0x61], 2, 'says that it is -1 bytes long'],
    ['a length that wraps to before the row', [0, 1, 0x74, 0x80, 0, 0, 0, 0x61], 2, 'bytes long, 1 remain'],
    ['the greatest length', [0, 1, 0x74, 0x7f, 0xff, 0xff, 0xff, 0x61], 2, 'says that it is 2147483647 bytes long'],
    ['an unknown kind', [0, 1, 0x78], 2, 'has the unknown kind 0x78'],
    ['a binary value, which was not asked for', [0, 1, 0x62, 0, 0, 0, 1, 0x61], 2, 'came in a binary form'],
    ['fewer columns than the table (trap 33)', [0, 0], 0, 'it has 0 columns, its relation 1'],
    ['more columns than the table (trap 33)', [0, 2, 0x6e, 0x6e], 0, 'it has 2 columns, its relation 1'],
    ['a negative number of columns', [0xff, 0xff, 0x6e], 0, 'columns, its relation 1'],
    ['half a number of columns', [0], 0, 'the number of columns is missing'],
  ])('with %s are refused at the byte where it stands', (_, bytes, offset, why) => {
    const row = buffered(Uint8Array.from(bytes), utf8('nnn'), utf8('nnn'))
    const [compiled, interpreted] = readBoth(tupleLayout, textFields(['a']), row)
    expect(interpreted).toMatchObject({ failed: 'ProtocolError protocol_violation', offset })
    expect(interpreted).toHaveProperty('message', expect.stringContaining(why))
    expect(compiled).toEqual(interpreted)
  })
})

function raise(error: Error): never {
  throw error
}

/** Whether a failure says where it is, within a row of so many bytes. */
function hasOffsetWithin(length: number): (outcome: Outcome) => boolean {
  return (outcome) =>
    'failed' in outcome && outcome.offset !== undefined && outcome.offset >= 0 && outcome.offset <= length
}
