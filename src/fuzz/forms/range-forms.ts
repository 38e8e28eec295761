import fc from 'fast-check'
import { either } from './either.ts'
import { type Bound, multirangeOf, rangeOf } from './nested-forms.ts'

/* Random texts of ranges and multiranges, of which the bounds are in order. */

/** Whole numbers of so many bits, the small and the extreme ones more often. */
export const whole = (least: bigint, most: bigint): fc.Arbitrary<Bound> =>
  either(fc.bigInt({ min: least, max: most }), fc.bigInt({ min: -9n, max: 9n }), fc.constantFrom(least, most)).map(
    (key) => ({ key, text: `${key}` }),
  )

const commonScale = 12
const decimal: fc.Arbitrary<Bound> = either<Bound>(
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }), fc.nat(commonScale))
      .map(([digits, scale]) => ({ key: digits * 10n ** BigInt(commonScale - scale), text: `${digits}e-${scale}` })),
  },
  {
    weight: 1,
    // NaN is above all else
    arbitrary: fc.constantFrom(
      { key: Number.POSITIVE_INFINITY, text: 'NaN' },
      { key: Number.MAX_VALUE, text: 'Infinity' },
      { key: Number.NEGATIVE_INFINITY, text: '-Infinity' },
    ),
  },
)

/** Times that both the server and JavaScript know, told in microseconds; the texts are made by the latter. */
const moment: fc.Arbitrary<Bound> = either<Bound>(
  {
    weight: 12,
    arbitrary: fc
      .tuple(
        either(
          fc.integer({ min: -210_000_000_000_000, max: 8_600_000_000_000_000 }),
          fc.integer({ min: -63_000_000_000_000, max: 4_000_000_000_000 }),
        ),
        either(fc.constant(0), fc.nat(999)),
      )
      .map(([milliseconds, micros]) => ({
        key: BigInt(milliseconds) * 1000n + BigInt(micros),
        text: momentText(new Date(milliseconds), micros),
      })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { key: Number.POSITIVE_INFINITY, text: 'infinity' },
      { key: Number.NEGATIVE_INFINITY, text: '-infinity' },
    ),
  },
)

function momentText(date: Date, micros: number): string {
  const year = date.getUTCFullYear()
  const rest = date.toISOString().replace(/^[+-]?\d+/, '')
  const [shown, era] = year > 0 ? [year, ''] : [1 - year, ' BC']
  return `${String(shown).padStart(4, '0')}${rest.replace('T', ' ').slice(0, -1)}${String(micros).padStart(3, '0')}${era}`
}

export const float8Bound = fc
  .double({ noNaN: true })
  .map((key): Bound => ({ key, text: Object.is(key, -0) ? '-0' : String(key) }))
/** Text in the order of the collation "C", which is that of its bytes. */
export function textBound(text: fc.Arbitrary<string>): fc.Arbitrary<Bound> {
  return text.map((end) => ({ key: Buffer.from(end).toString('hex'), text: end }))
}

// the last one of all has no next one, which the server writes as the exclusive bound
const int4Range = rangeOf(whole(-(2n ** 31n), 2n ** 31n - 2n))
const int8Range = rangeOf(whole(-(2n ** 63n), 2n ** 63n - 2n))
const decimalRange = rangeOf(decimal)
const momentRange = rangeOf(moment)

/** By the type's name in SQL. */
export const rangeForms: Readonly<Record<string, fc.Arbitrary<string>>> = {
  int4range: int4Range,
  int8range: int8Range,
  numrange: decimalRange,
  tsrange: momentRange,
  tstzrange: momentRange,
  daterange: momentRange,
  int4multirange: multirangeOf(int4Range),
  int8multirange: multirangeOf(int8Range),
  nummultirange: multirangeOf(decimalRange),
  tsmultirange: multirangeOf(momentRange),
  tstzmultirange: multirangeOf(momentRange),
  datemultirange: multirangeOf(momentRange),
}
