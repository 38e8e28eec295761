import fc from 'fast-check'
import { Writer } from '../../protocol/messages/writer.ts'
import { either } from './either.ts'

/*
 * Texts of nested types, put together here and not by the encoders, which would then be judged by themselves: what may
 * stand in quotes always does, while the server writes as few as it can.
 */

const quoteInArray = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`
const quoteInRow = (text: string) => `"${text.replace(/["\\]/g, '$&$&')}"`

/** A composite's text: fields that are NULL or a text. */
export function compositeOf(...fields: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc
    .tuple(...fields.map((field) => fc.option(field)))
    .map((values) => `(${values.map((value) => (value === null ? '' : quoteInRow(value))).join(',')})`)
}

/** A bound of a range: what it is ordered by, and its text. */
export interface Bound {
  readonly key: number | bigint | string
  readonly text: string
}

/** A range's text, of which the lower bound is not above the upper one. */
export function rangeOf(bound: fc.Arbitrary<Bound>): fc.Arbitrary<string> {
  return either(
    { weight: 1, arbitrary: fc.constant('empty') },
    {
      weight: 9,
      arbitrary: fc
        .tuple(fc.option(bound), fc.option(bound), fc.constantFrom('[', '('), fc.constantFrom(']', ')'))
        .map(([a, b, opening, closing]) => {
          const [lower, upper] = a !== null && b !== null && a.key > b.key ? [b, a] : [a, b]
          const text = (end: Bound | null) => (end === null ? '' : quoteInRow(end.text))
          return `${opening}${text(lower)},${text(upper)}${closing}`
        }),
    },
  )
}

/** A multirange's text. */
export function multirangeOf(range: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.array(range, { maxLength: 4 }).map((ranges) => `{${ranges.join(',')}}`)
}

/** What an array is made of: its elements are as many as its lengths say, and begin again where there are fewer cells. */
interface ArrayParts<Element> {
  readonly lengths: readonly number[]
  readonly lowerBounds: readonly number[]
  readonly cells: readonly (Element | null)[]
}

/** How many elements an array has at most: few, as a rule, for the sake of speed. An array can be deep with one alone. */
const mostElements = either(
  { weight: 19, arbitrary: fc.integer({ min: 1, max: 3 }) },
  { weight: 1, arbitrary: fc.constant(16) },
)

/** Arrays of no to six dimensions, with NULLs and with bounds that are not 1. */
function partsOf<Element>(element: fc.Arbitrary<Element>): fc.Arbitrary<ArrayParts<Element>> {
  return fc
    .tuple(
      mostElements,
      fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 6 }),
      either<number[]>(
        { weight: 2, arbitrary: fc.constant([]) },
        {
          weight: 1,
          arbitrary: fc.array(either(fc.constantFrom(1, 0, -1), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 6 })), {
            maxLength: 6,
          }),
        },
      ),
      fc.array(fc.option(element), { minLength: 1, maxLength: 2 }),
    )
    .map(([most, lengths, lowerBounds, cells]) => {
      let elements = 1
      const fitting = lengths.map((length) => {
        if (elements * length > most) return 1
        elements *= length
        return length
      })
      return { lengths: fitting, lowerBounds: fitting.map((_, index) => lowerBounds[index] ?? 1), cells }
    })
}

/** Arrays as text, of elements as text. */
export function textArrayOf(element: fc.Arbitrary<string>, delimiter = ','): fc.Arbitrary<string> {
  return partsOf(element).map(({ lengths, lowerBounds, cells }) => {
    if (lengths.length === 0) return '{}'
    let at = 0
    const level = (depth: number): string => {
      if (depth === lengths.length) {
        const cell = cells[at++ % cells.length] ?? null
        return cell === null ? 'NULL' : quoteInArray(cell)
      }
      return `{${Array.from({ length: lengths[depth] ?? 0 }, () => level(depth + 1)).join(delimiter)}}`
    }
    const bounds = lowerBounds.map((bound, index) => `[${bound}:${bound + (lengths[index] ?? 0) - 1}]`).join('')
    return `${lowerBounds.every((bound) => bound === 1) ? '' : `${bounds}=`}${level(0)}`
  })
}

/**
 * Arrays in binary form, of elements in binary form.
 *
 * @see https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/arrayfuncs.c array_recv
 */
export function binaryArrayOf(element: fc.Arbitrary<Uint8Array>, elementOid: number): fc.Arbitrary<Uint8Array> {
  return partsOf(element).map(({ lengths, lowerBounds, cells }) => {
    const count = lengths.length === 0 ? 0 : lengths.reduce((product, length) => product * length, 1)
    const used = cells.slice(0, count)
    const writer = new Writer(256)
      .int32(lengths.length)
      .int32(used.includes(null) ? 1 : 0)
      .uint32(elementOid)
    for (const [index, length] of lengths.entries()) writer.int32(length).int32(lowerBounds[index] ?? 1)
    for (let at = 0; at < count; at++) {
      const cell = cells[at % cells.length] ?? null
      if (cell === null) writer.int32(-1)
      else writer.int32(cell.length).bytes(cell)
    }
    return writer.finish()
  })
}
