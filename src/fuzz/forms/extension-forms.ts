import fc from 'fast-check'
import { either } from './either.ts'
import { nastyText } from './text-forms.ts'

/* Random texts of types that come with the extensions of PostgreSQL. */

const hstore = fc.array(fc.tuple(nastyText, fc.option(nastyText)), { maxLength: 4 }).map((pairs) => {
  const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`
  return pairs.map(([key, value]) => `${quoted(key)}=>${value === null ? 'NULL' : quoted(value)}`).join(', ')
})

const label = fc.string({ unit: fc.constantFrom(...'ab_1'), minLength: 1, maxLength: 4 })
const ltree = fc.array(label, { maxLength: 4 }).map((labels) => labels.join('.'))
const lquery = fc
  .array(fc.tuple(either(label, fc.constantFrom('*', '*{1,2}', '*{,3}')), fc.constantFrom('', '|b', '@', '%')), {
    minLength: 1,
    maxLength: 4,
  })
  .map((levels) => levels.map(([level, mark]) => (level.startsWith('*') ? level : level + mark)).join('.'))
const ltxtquery = fc
  .array(fc.tuple(label, fc.constantFrom(' & ', ' | ', ' & !')), { minLength: 1, maxLength: 4 })
  .map((words) => words.map(([word, operator], index) => (index === 0 ? word : operator + word)).join(''))
const queryInt = fc
  .array(fc.tuple(fc.nat(), fc.constantFrom(' & ', ' | ', ' & !')), { minLength: 1, maxLength: 4 })
  .map((terms) => terms.map(([term, operator], index) => (index === 0 ? `${term}` : operator + term)).join(''))

const cubeNumber = fc.double({ noDefaultInfinity: true })
const cube = fc
  .tuple(fc.array(fc.tuple(cubeNumber, cubeNumber), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([pairs, isPoint]) => {
    const corner = (end: 0 | 1) => `(${pairs.map((pair) => (Object.is(pair[end], -0) ? '-0' : pair[end])).join(', ')})`
    return isPoint ? corner(0) : `${corner(0)},${corner(1)}`
  })

const seg = fc
  .tuple(fc.integer({ min: -9999, max: 9999 }), fc.nat(999), fc.constantFrom('point', 'about', 'both', 'from', 'to'))
  .map(([from, length, kind]) => {
    const [low, high] = [from / 100, (from + length + 1) / 100]
    return { point: `${low}`, about: `~${low}`, both: `${low} .. ${high}`, from: `${low} ..`, to: `.. ${high}` }[kind]
  })

/** A number of thirteen digits, the last of which checks the others. */
const ean = (prefix: string) =>
  fc
    .string({ unit: fc.constantFrom(...'0123456789'), minLength: 12 - prefix.length, maxLength: 12 - prefix.length })
    .map((rest) => {
      const digits = prefix + rest
      const sum = [...digits].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 1 : 3), 0)
      return `${digits}${(10 - (sum % 10)) % 10}`
    })

/** By the extension, and by the type's name in SQL. */
export const extensionForms: Readonly<Record<string, Readonly<Record<string, fc.Arbitrary<string>>>>> = {
  citext: { citext: nastyText },
  hstore: { hstore },
  ltree: { ltree, lquery, ltxtquery },
  cube: { cube },
  seg: { seg },
  isn: {
    ean13: ean('4'),
    isbn13: ean('978'),
    ismn13: ean('9790'),
    issn13: ean('977'),
    isbn: ean('978'),
    ismn: ean('9790'),
    issn: ean('977'),
    upc: ean('0'),
  },
  intarray: { query_int: queryInt },
}
