import fc from 'fast-check'
import { compositeOf, multirangeOf, rangeOf, textArrayOf } from './nested-forms.ts'
import { float8Bound, textBound, whole } from './range-forms.ts'
import { nastyText } from './text-forms.ts'

/* Random texts of the types of made-types.ts. */

const whole4 = fc.integer().map(String)
const box = fc.tuple(fc.nat(99), fc.nat(99)).map(([x, y]) => `(${x + 1},${y + 1}),(${x},${y})`)
const mood = fc.constantFrom('so-so', 'good')
const fields = Array.from({ length: 6 }, () => nastyText)
const address = compositeOf(whole4, ...fields)
const floats = rangeOf(float8Bound)
const shares = rangeOf(whole(-(2n ** 31n), 2n ** 31n - 1n))

/** By the type's name in SQL. */
export const madeForms: Readonly<Record<string, fc.Arbitrary<string>>> = {
  mood,
  share: whole4,
  deeper: fc.integer({ min: 1 }).map(String),
  pair: textArrayOf(whole4),
  address,
  checked: fc.tuple(fc.integer({ min: 1 }), compositeOf(...fields)).map(([a, rest]) => `(${a},${rest.slice(1)}`),
  floats,
  shares,
  sharesmulti: multirangeOf(shares),
  words: rangeOf(textBound(nastyText)),
  mood_of: compositeOf(mood, textArrayOf(mood)),
  item: compositeOf(
    address,
    textArrayOf(box, ';'),
    floats,
    whole4,
    fc.integer().map((number) => `${number}.50`),
    fc
      .jsonValue({ maxDepth: 1, stringUnit: fc.constantFrom('"', '\\', 'é', ' ') })
      .map((value) => JSON.stringify(value)),
  ),
  hostile: compositeOf(nastyText, nastyText),
  nothing: fc.constant('()'),
  alone: compositeOf(nastyText),
}
