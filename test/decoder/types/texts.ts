import fc from 'fast-check'
import { quoteBound, quoteField } from '../../../src/decoder/types/nested-text.ts'
import { PgArray, quoteElement } from '../../../src/decoder/types/pg-array.ts'
import { quoteLexeme } from '../../../src/decoder/types/tsvector.ts'

/* Random texts of types whose binary forms are not easily made: what the server reads them as is for the server to say. */

/** Everything that has a meaning in some nested text, and letters that together make NULL. No U+0000. */
export const nastyText = fc.string({
  unit: fc.constantFrom(...'{}"\'\\,;:()[]|&! \t\n\v\fNULnulé=>*😀\ufeff\u2028'),
  maxLength: 8,
})

const word = fc.string({ unit: fc.constantFrom(...'abcé_1'), minLength: 1, maxLength: 4 })

const json = fc.jsonValue({ maxDepth: 3, stringUnit: fc.constantFrom('a', '"', '\\', '\n', 'é', '😀', ' ') })

const lexeme = fc.oneof(
  word,
  nastyText.filter((text) => text !== ''),
)
const tsvector = fc
  .array(
    fc.tuple(
      lexeme,
      fc.array(fc.tuple(fc.integer({ min: 1, max: 16_383 }), fc.constantFrom('', 'A', 'B', 'C', 'D')), {
        maxLength: 4,
      }),
    ),
    { maxLength: 6 },
  )
  .map((entries) =>
    entries
      .map(([text, positions]) => {
        const written = positions.map(([position, weight]) => `${position}${weight}`).join(',')
        return quoteLexeme(text) + (written === '' ? '' : `:${written}`)
      })
      .join(' '),
  )

const { tsquery } = fc.letrec<{ tsquery: string }>((tie) => ({
  tsquery: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.tuple(lexeme, fc.boolean(), fc.subarray(['A', 'B', 'C', 'D'])).map(([text, isPrefix, weights]) => {
      const marks = `${isPrefix ? '*' : ''}${weights.join('')}`
      return quoteLexeme(text) + (marks === '' ? '' : `:${marks}`)
    }),
    tie('tsquery').map((inner) => `!(${inner})`),
    fc
      .tuple(tie('tsquery'), fc.constantFrom('&', '|', '<->', '<0>', '<2>', '<16384>'), tie('tsquery'))
      .map(([left, operator, right]) => `(${left}) ${operator} (${right})`),
  ),
}))

const bound = <T>(value: fc.Arbitrary<T>) =>
  fc.tuple(fc.option(value), fc.option(value), fc.constantFrom('[', '('), fc.constantFrom(']', ')'))

function rangeOf<T>(value: fc.Arbitrary<T>, order: (a: T, b: T) => number, write: (value: T) => string) {
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant('empty') },
    {
      weight: 9,
      arbitrary: bound(value).map(([a, b, opening, closing]) => {
        const [lower, upper] = a !== null && b !== null && order(a, b) > 0 ? [b, a] : [a, b]
        const text = (end: T | null) => (end === null ? '' : quoteBound(write(end)))
        return `${opening}${text(lower)},${text(upper)}${closing}`
      }),
    },
  )
}

const numbers = <T extends number | bigint>(value: fc.Arbitrary<T>) =>
  rangeOf(
    value,
    (a, b) => (a < b ? -1 : 1),
    (end) => `${end}`,
  )

const int4range = numbers(fc.integer({ min: -1000, max: 2 ** 31 - 2 }))
const moments = rangeOf(
  fc.date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-12-31') }),
  (a, b) => a.getTime() - b.getTime(),
  (date) => date.toISOString().replace('T', ' ').replace('Z', ''),
)
const multirangeOf = (range: fc.Arbitrary<string>) =>
  fc.array(range, { maxLength: 4 }).map((ranges) => `{${ranges.join(',')}}`)

/** A composite's text: fields that are NULL or a text. */
const composite = (...fields: fc.Arbitrary<string>[]) =>
  fc
    .tuple(...fields.map((field) => fc.option(field)))
    .map((values) => `(${values.map((value) => (value === null ? '' : quoteField(value))).join(',')})`)

const arrayOf = (element: fc.Arbitrary<string>, delimiter = ',') =>
  fc
    .array(fc.option(element), { maxLength: 4 })
    .map(
      (values) =>
        `{${values.map((value) => (value === null ? 'NULL' : quoteElement(value, delimiter))).join(delimiter)}}`,
    )

const address = composite(fc.integer().map(String), ...Array.from({ length: 6 }, () => nastyText))

const box = fc.tuple(fc.nat(99), fc.nat(99)).map(([x, y]) => `(${x + 1},${y + 1}),(${x},${y})`)

const hstore = fc.array(fc.tuple(nastyText, fc.option(nastyText)), { maxLength: 4 }).map((pairs) => {
  const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`
  return pairs.map(([key, value]) => `${quoted(key)}=>${value === null ? 'NULL' : quoted(value)}`).join(', ')
})

const ltree = fc
  .array(fc.string({ unit: fc.constantFrom(...'ab_1'), minLength: 1, maxLength: 4 }), { maxLength: 4 })
  .map((labels) => labels.join('.'))

const cube = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.boolean())
  .chain(([length, isPoint]) =>
    fc.array(fc.array(fc.double({ noDefaultInfinity: true }), { minLength: length, maxLength: length }), {
      minLength: isPoint ? 1 : 2,
      maxLength: isPoint ? 1 : 2,
    }),
  )
  .map((corners) => corners.map((corner) => `(${corner.join(', ')})`).join(','))

/** By the type's name in SQL; those that are not built in are golden/cases.ts'. */
export const texts: Readonly<Record<string, fc.Arbitrary<string>>> = {
  text: fc.oneof(
    nastyText,
    fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
  ),
  varchar: nastyText,
  bpchar: nastyText,
  name: nastyText,
  refcursor: nastyText,
  json: json.map((value) => JSON.stringify(value, null, 1)),
  jsonb: json.map((value) => JSON.stringify(value).replaceAll('\\u0000', '')),
  jsonpath: nastyText.map((text) => `$.${JSON.stringify(text)}[*] ? (@ == ${JSON.stringify(text)})`),
  xml: nastyText.map((text) => `<a b="1">${text.replace(/[&\v\f]/g, '').replaceAll('<', '&lt;')}</a>`),
  tsvector,
  tsquery,
  int4range,
  int8range: numbers(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 2n })),
  numrange: numbers(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e20, max: 1e20 })),
  tsrange: moments,
  tstzrange: moments,
  daterange: moments,
  int4multirange: multirangeOf(int4range),
  nummultirange: multirangeOf(numbers(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e20, max: 1e20 }))),
  tsmultirange: multirangeOf(moments),
  'int4multirange[]': arrayOf(multirangeOf(int4range)),
  'tstzrange[]': arrayOf(moments),
  words: rangeOf(
    nastyText,
    (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)),
    (text) => text,
  ),
  address,
  'address[]': arrayOf(address),
  item: composite(
    address,
    arrayOf(box, ';'),
    numbers(fc.double({ noNaN: true })),
    fc.integer().map(String),
    fc.integer().map((number) => `${number}.50`),
    json.map((value) => JSON.stringify(value)),
  ),
  hostile: composite(nastyText, nastyText),
  checked: composite(fc.integer({ min: 1 }).map(String), ...Array.from({ length: 6 }, () => nastyText)),
  'mood[]': arrayOf(fc.constantFrom('so-so', 'good')),
  citext: nastyText,
  hstore,
  'hstore[]': arrayOf(hstore),
  ltree,
  cube,
}

/** Arrays of one to six dimensions of one element type, whose elements are given as text, with NULLs. */
export function arrays(element: fc.Arbitrary<string>, delimiter: string): fc.Arbitrary<string> {
  const level = (lengths: readonly number[]): fc.Arbitrary<unknown[]> => {
    const [length = 1, ...inner] = lengths
    const item: fc.Arbitrary<unknown> = inner.length === 0 ? fc.option(element) : level(inner)
    return fc.array(item, { minLength: length, maxLength: length })
  }
  return fc
    .array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 6 })
    .chain((lengths) => {
      const bound = fc.oneof(fc.constant(1), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 5 }))
      return fc.tuple(level(lengths), fc.array(bound, { minLength: lengths.length, maxLength: lengths.length }))
    })
    .map(([values, lowerBounds]) => `${new PgArray(values, lowerBounds, delimiter)}`)
}
