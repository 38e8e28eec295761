import { expect, test } from 'vitest'
import { inCommandWords } from '../../../src/cli/follow/command-words.ts'
import { WalwireError } from '../../../src/protocol/messages/errors.ts'

test.each([
  [
    "give the position that was stored; or start: 'slot' to continue it without a snapshot",
    'use the --checkpoint of the run that made it; or --start slot to continue it without a snapshot',
  ],
  ['try again, or wait longer (slotTimeoutMs)', 'try again, or wait longer (--slot-timeout)'],
  ['begin again at the stored position when it is back', 'run the same command again when it is back'],
  [
    'to start over, begin without a position: a new slot and snapshot',
    'to start over, begin without the checkpoint and its output: a new slot and snapshot',
  ],
  ['use the slot a; or start b without a position', 'use the slot a; or use b without the checkpoint and its output'],
  [
    "a new slot and snapshot (onLostSlot: 'resnapshot' does so by itself)",
    'a new slot and snapshot (--on-lost-slot resnapshot does so by itself)',
  ],
  ["the option 'slot' cannot be used", 'the option --slot cannot be used'],
  ["the option snapshot: 'only' does not go with a position", 'the option --snapshot only does not go with a position'],
])('%s', (library, command) => {
  const parts = { what: library, why: library, hint: library, slot: 's', sqlstate: '55000' }
  const error = new WalwireError('slot_active', parts)
  expect(inCommandWords(error)).toMatchObject({
    code: 'slot_active',
    what: command,
    why: command,
    hint: command,
    slot: 's',
    sqlstate: '55000',
    retryable: true,
    cause: error,
  })
})

test('what is not of the library stays as it is', () => {
  const error = new TypeError('the option x is')
  expect(inCommandWords(error)).toBe(error)
})
