import fc from 'fast-check'
import { either } from './either.ts'

/* Random texts of types whose binary forms are not easily made: what the server reads them as is for the server to say. */

/** Everything that has a meaning in some nested text, and letters that together make NULL. No U+0000. */
export const nastyText = fc.string({
  unit: fc.constantFrom(...'{}"\'\\,;:()[]|&! \t\n\v\fNULnulé=>*😀\ufeff\u2028'),
  maxLength: 8,
})

/** Any characters but U+0000 and halves of surrogate pairs, which no Postgres text holds. */
const anyText = fc
  .array(either(fc.integer({ min: 1, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff })), { maxLength: 10 })
  .map((points) => String.fromCodePoint(...points))

const word = fc.string({ unit: fc.constantFrom(...'abcé_1'), minLength: 1, maxLength: 4 })

const json = fc.jsonValue({ maxDepth: 2, stringUnit: fc.constantFrom('a', '"', '\\', '\n', 'é', '😀', ' ') })

const lexeme = either(
  word,
  nastyText.filter((text) => text !== ''),
)
const lexemeText = (text: string) => `'${text.replace(/['\\]/g, '$&$&')}'`
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
        return lexemeText(text) + (written === '' ? '' : `:${written}`)
      })
      .join(' '),
  )

const { tsquery } = fc.letrec<{ tsquery: string }>((tie) => ({
  tsquery: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.tuple(lexeme, fc.boolean(), fc.subarray(['A', 'B', 'C', 'D'])).map(([text, isPrefix, weights]) => {
      const marks = `${isPrefix ? '*' : ''}${weights.join('')}`
      return lexemeText(text) + (marks === '' ? '' : `:${marks}`)
    }),
    tie('tsquery').map((inner) => `!(${inner})`),
    fc
      .tuple(tie('tsquery'), fc.constantFrom('&', '|', '<->', '<0>', '<2>', '<16384>'), tie('tsquery'))
      .map(([left, operator, right]) => `(${left}) ${operator} (${right})`),
  ),
}))

/** What no JavaScript number holds, and what a reader of JSON is tempted to tidy up. */
const exactJson = fc.constantFrom(
  '123456789012345678901234567890.10',
  '{"a": 1.00, "a": 1e-7}',
  '-0.0',
  '[1e300, 1E-5, 0.000]',
  '"\\ud83d\\ude00 \\\\u0041 \\/"',
)

const aclitem = fc
  .tuple(fc.constantFrom('', 'pg_monitor', 'pg_read_all_data'), fc.subarray([...'arwdDxtXUCTc']), fc.boolean())
  .map(([grantee, rights, mayGrant]) => {
    const marks = grantee !== '' && mayGrant ? rights.map((right) => `${right}*`) : rights
    return `${grantee}=${marks.join('')}/pg_monitor`
  })

/** At most 63 bytes, which is what a name can have. */
const name = nastyText.filter((text) => Buffer.byteLength(text) <= 63)

/** By the type's name in SQL. */
export const textForms: Readonly<Record<string, fc.Arbitrary<string>>> = {
  text: either(nastyText, anyText),
  varchar: nastyText,
  bpchar: nastyText,
  name,
  refcursor: nastyText,
  json: either(
    { weight: 6, arbitrary: json.map((value) => JSON.stringify(value, null, 1)) },
    { weight: 1, arbitrary: exactJson },
  ),
  jsonb: either(
    { weight: 6, arbitrary: json.map((value) => JSON.stringify(value).replaceAll('\\u0000', '')) },
    { weight: 1, arbitrary: exactJson },
  ),
  jsonpath: nastyText.map((text) => `$.${JSON.stringify(text)}[*] ? (@ == ${JSON.stringify(text)})`),
  xml: nastyText.map(
    (text) =>
      `<a b="1">${text
        .replace(/[&\v\f]/g, '')
        .replaceAll('<', '&lt;')
        .replaceAll(']]>', ']]&gt;')}</a>`,
  ),
  tsvector,
  tsquery,
  aclitem,
}
