import { expect, test } from 'vitest'
import { allTargets } from '../../../fuzz/all-targets.ts'
import { Board } from '../../../fuzz/board.ts'
import { regressionsOf } from '../../../fuzz/corpus.ts'
import { Engine } from '../../../fuzz/engine.ts'
import type { Target } from '../../../fuzz/target.ts'

/** What `npm run fuzz` has found, by target and file in fuzz/corpus/found, and how it ends now. */
const found: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  'binary-values': {
    // a TypeError, since what is not of the type's attributes is made into its text
    'altered-composite-with-a-zero-byte': /^protocol_violation .* a field has no text/,
    // a TypeError, since a range's own text is made while it is read
    'text-range-with-a-zero-byte': /^protocol_violation .* a bound has no text/,
  },
  conversation: {
    // the server's bytes behind its answer were read before the request that the client had sent with the first
    'request-before-the-answer': /^protocol_violation the answer to GSSENCRequest could not be read/,
  },
  'copy-text': {
    // the byte behind the row was read as the one that its last backslash escapes
    'row-that-ends-with-a-backslash': /^protocol_violation an array could not be read/,
  },
  position: {
    // a RangeError: the line's pattern took LSNs that are none
    'timeline-left-at-a-long-lsn': /^protocol_violation the timeline history could not be read/,
  },
  'text-values': {
    // [,0) was read as inclusive, and written and read again as exclusive
    'range-that-includes-an-infinite-bound': /^a value$/,
    // minutes: the pattern of a decimal number tried every way of cutting the digits in two
    'float-of-many-digits': /^protocol_violation a floating-point number could not be read/,
  },
}

function targetNamed(name: string): Target {
  const target = allTargets.find((candidate) => candidate.name === name)
  if (target === undefined) throw new Error(`there is no target ${name}`)
  return target
}

for (const [name, inputs] of Object.entries(found)) {
  for (const [file, outcome] of Object.entries(inputs)) {
    test(`${name}: ${file.replaceAll('-', ' ')}`, { timeout: 2000 }, async () => {
      const [, input] = regressionsOf(name).find(([candidate]) => candidate === file) ?? []
      expect(input).toBeDefined()
      const engine = new Engine({
        target: targetNamed(name),
        seed: '',
        board: new Board(),
        coverage: undefined,
        corpus: [],
        onKept: () => {},
        onFault: () => {},
      })
      expect(await engine.try(input!)).toEqual({ outcome: expect.stringMatching(outcome) })
    })
  }
}

test('every input in fuzz/corpus/found has a test of its own', () => {
  const files = allTargets.flatMap(({ name }) => regressionsOf(name).map(([file]) => `${name}/${file}`))
  expect(files).toEqual(
    expect.arrayContaining(
      Object.entries(found).flatMap(([name, inputs]) => Object.keys(inputs).map((file) => `${name}/${file}`)),
    ),
  )
  expect(files).toHaveLength(Object.values(found).reduce((sum, inputs) => sum + Object.keys(inputs).length, 0))
})
