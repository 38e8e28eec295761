import fc from 'fast-check'
import type { TupleValue } from '../../src/decoder/messages.ts'

const encoder = new TextEncoder()

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** What a table's owner may call a column to break whoever makes code or objects of it. */
export const hostileNames: readonly string[] = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '"];globalThis.intruder=1//',
  '"]:v0};globalThis.intruder=1;({"',
  "'];globalThis.intruder=1//",
  '\u0024{globalThis.intruder=1}',
  '`\u0024{globalThis.intruder=1}`',
  '*/globalThis.intruder=1/*',
  '\\";globalThis.intruder=1//',
  '\\u0022;globalThis.intruder=1//',
  '\nglobalThis.intruder=1\n',
  '\r\u2028globalThis.intruder=1\u2029',
  '</script>',
  ' ',
  '\u200b',
  '\ufeff',
  '0',
  '1',
  '00',
  '-1',
  '4294967295',
  'v0',
  'r0',
  'b',
  'cursor',
  'interpreted',
  `${'é'.repeat(31)}x`,
  `${'😀'.repeat(15)}abc`,
]

/** Any character that a Postgres text can hold: all but U+0000 and halves of surrogate pairs. */
const character = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((text) => text !== '\0')

/** Text with more than its share of what COPY escapes, arrays quote and SQL calls NULL. */
export const anyText = fc
  .array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom('\\', '\t', '\n', '\r', '\b', '\f', '\v', 'N', '\\N', '\\.', '"', '{', '}'),
      },
      { weight: 2, arbitrary: fc.constantFrom('a', 'é', '€', '😀', ' ', 'NULL') },
      { weight: 1, arbitrary: character },
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''))

/** A name as Postgres allows it: not empty, at most 63 bytes. */
export const anyName = fc.oneof(
  fc.constantFrom(...hostileNames),
  fc
    .array(character, { minLength: 1, maxLength: 8 })
    .map((characters) => characters.join(''))
    .filter((name) => utf8(name).length <= 63),
)

const hex = fc.uint8Array({ maxLength: 8 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`)
const quotedElement = anyText.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`)
const textArray = fc.array(fc.oneof(quotedElement, fc.constant('NULL'))).map((elements) => `{${elements.join(',')}}`)

/** Types, each with texts that the server writes for it. */
const typesAndTexts: readonly (readonly [oid: number, text: fc.Arbitrary<string>])[] = [
  [16, fc.constantFrom('t', 'f')],
  [17, hex],
  [20, fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String)],
  [23, fc.integer().map(String)],
  [25, anyText],
  [701, fc.constantFrom('0', '-0', 'NaN', 'Infinity', '-Infinity', '0.1', '5e-324', '1e+15')],
  [1700, fc.constantFrom('0.00000', 'NaN', '-12345678901234567890.5')],
  [1009, textArray],
  [3802, fc.json({ maxDepth: 1 })],
  // a type that nobody told us about
  [99_999, anyText],
]

/** One column of a row as it goes over the wire. */
export interface SentColumn {
  readonly name: string
  readonly typeOid: number
  /** Beside the key, in a tuple of which only the key is read. */
  readonly skipped: boolean
  readonly sent: TupleValue
}

/** The same in a row that took the place of another. */
export interface ChangedColumn extends SentColumn {
  readonly was: Uint8Array | null
}

function sentColumn(beside: fc.Arbitrary<TupleValue>): fc.Arbitrary<ChangedColumn> {
  return fc.oneof(
    ...typesAndTexts.map(([typeOid, text]) =>
      fc.record({
        name: anyName,
        typeOid: fc.constant(typeOid),
        skipped: fc.boolean(),
        sent: fc.oneof({ weight: 4, arbitrary: text.map(utf8) }, { weight: 1, arbitrary: beside }),
        was: fc.option(text.map(utf8)),
      }),
    ),
  )
}

function columnsOf(column: fc.Arbitrary<ChangedColumn>): fc.Arbitrary<ChangedColumn[]> {
  return fc.uniqueArray(column, { selector: ({ name }) => name, maxLength: 8 })
}

/** Rows of values and NULLs, every value in order. */
export const wellFormedRow = columnsOf(sentColumn(fc.constant(null)))

/** The same with unchanged TOAST among them, which only tuples have. */
export const rowWithUnchanged = columnsOf(sentColumn(fc.constantFrom<TupleValue>(null, 'unchanged')))

/** Rows whose values may be nonsense for their types. */
export const rowOfAnything = columnsOf(
  sentColumn(
    fc.oneof(fc.constantFrom<TupleValue>(null, 'unchanged'), anyText.map(utf8), fc.uint8Array({ maxLength: 6 })),
  ),
)

/** Any LSN, the ends of the range and of its halves more often. */
export const anyLsn = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.constantFrom(0n, 1n, 0xffff_ffffn, 0x1_0000_0000n, 2n ** 63n, 2n ** 64n - 1n),
)
