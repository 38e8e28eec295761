import { expect, test } from 'vitest'
import { CommandError } from '../../../src/cli/command-error.ts'
import { errorOf, failureOf } from '../../../src/cli/fuzz/share-messages.ts'
import { WalwireError } from '../../../src/protocol/messages/errors.ts'

const parts = { what: 'a', why: 'b', hint: 'c' }

test.each([new WalwireError('not_permitted', parts), new CommandError('usage', parts)])(
  'a failure is the same on the other side of a thread: %o',
  (error) => {
    const arrived = errorOf(structuredClone(failureOf(error)))
    expect(arrived).toBeInstanceOf(error.constructor)
    expect(arrived).toMatchObject({ ...parts, code: error.code })
  },
)

test('one that nobody foresaw keeps its message', () => {
  const arrived = errorOf(structuredClone(failureOf(new TypeError('no such thing'))))
  expect(arrived).toMatchObject({ message: 'TypeError: no such thing' })
})
