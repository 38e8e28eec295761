import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { copyTextLayout } from '../../src/decoder/copy-text.ts'
import { Cursor, type Field, rowReader } from '../../src/decoder/row-reader.ts'
import { law } from '../property.ts'
import { utf8 } from './arbitraries.ts'
import { copyLineOf } from './wire-rows.ts'

function bytesFields(count: number): Field[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `column ${index}`,
    read: (bytes, start, end) => bytes.slice(start, end),
  }))
}

function readLine(line: Uint8Array, columns: number): unknown[] {
  const cursor = new Cursor()
  const row = rowReader(copyTextLayout, bytesFields(columns), cursor, 'public.t')(line, 0, line.length)
  expect(cursor.end).toBe(line.length)
  return Object.values(row)
}

/** Bytes of which most are escaped, or look like an escape. */
const copiedBytes = fc
  .array(fc.oneof(fc.constantFrom(...utf8('\\\t\n\r\b\f\vNbfnrtv.')), fc.integer({ min: 1, max: 255 })), {
    maxLength: 40,
  })
  .map((bytes) => Uint8Array.from(bytes))

law(
  'a line of COPY gives back every value and every NULL that was escaped into it',
  fc.property(fc.array(fc.option(copiedBytes), { minLength: 1, maxLength: 6 }), (values) => {
    expect(readLine(copyLineOf(values), values.length)).toEqual(values)
  }),
  500,
)

law(
  'values with escapes come out whole at any size, also when they outgrow the memory that they share',
  fc.property(
    fc.array(fc.tuple(fc.constantFrom('\\', '\t', 'x', '\\N', 'ab\n'), fc.nat(3000)), { minLength: 1, maxLength: 5 }),
    (repeated) => {
      const values = repeated.map(([part, times]) => utf8(part.repeat(times)))
      const read = readLine(copyLineOf(values), values.length)
      expect(read.map(inspectBytes)).toEqual(values.map(inspectBytes))
    },
  ),
  50,
)

describe('a line of COPY tells apart', () => {
  const capitalN = '\\N'
  test.each([
    ['NULL from the text \\N', `${capitalN}\t\\\\N\n`, [null, utf8(capitalN)]],
    ['NULL from an empty value', `${capitalN}\t\n`, [null, utf8('')]],
    ['an empty value at the end from NULL', `\t${capitalN}\n`, [utf8(''), null]],
    ['NULL from text that only begins like it', `${capitalN}\t\\\\NULL\n`, [null, utf8('\\NULL')]],
    ['a backslash at the end of a value from an escaped tab', 'a\\\\\tb\\\\\n', [utf8('a\\'), utf8('b\\')]],
    ['an escaped tab from the end of a column', 'a\\tb\tc\n', [utf8('a\tb'), utf8('c')]],
    ['an escaped newline from the end of the line', 'a\\nb\tc\n', [utf8('a\nb'), utf8('c')]],
    ['an escaped backslash before n from a newline', 'a\\\\nb\tc\n', [utf8('a\\nb'), utf8('c')]],
    ['the text \\. from the end of a file of COPY', '\\\\.\t\n', [utf8('\\.'), utf8('')]],
  ])('%s', (_, line, values) => {
    expect(readLine(utf8(line), 2)).toEqual(values)
  })
})

describe('a line of COPY is refused', () => {
  test.each([
    ['with a column too many', 'a\tb\tc\n'],
    ['with a column too few', 'a\n'],
    ['with a newline that is not escaped', 'a\nb\tc\n'],
    ['without its newline', 'a\tb'],
    ['with something behind a NULL', '\\Nx\tb\n'],
    ['that ends in a backslash', 'a\tb\\'],
    ['with a backslash before its newline', 'a\tb\\\n'],
    ['that is empty', ''],
  ])('%s', (_, line) => {
    expect(() => readLine(utf8(line), 2)).toThrow(expect.objectContaining({ name: 'ProtocolError' }))
  })

  test('of a table without columns, when it has one', () => {
    expect(readLine(utf8('\n'), 0)).toEqual([])
    expect(() => readLine(utf8('a\n'), 0)).toThrow(expect.objectContaining({ name: 'ProtocolError', offset: 0 }))
    expect(() => readLine(utf8(''), 0)).toThrow(expect.objectContaining({ name: 'ProtocolError', offset: 0 }))
  })
})

function inspectBytes(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value
}
