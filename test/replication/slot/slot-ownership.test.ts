import { expect, test } from 'vitest'
import type { Position } from '../../../src/replication/position.ts'
import { type MadeSlot, SlotOwnership } from '../../../src/replication/slot/slot-ownership.ts'

type Step = ['made', MadeSlot] | ['acknowledged' | 'handedOver', Position['phase']]

const slot: MadeSlot = { consistentPoint: 0x10n, temporary: false }
const later: MadeSlot = { consistentPoint: 0x20n, temporary: false }
const temporary: MadeSlot = { consistentPoint: 0x10n, temporary: true }

const cases: readonly [what: string, steps: readonly Step[], toDrop: MadeSlot | undefined][] = [
  ['that the run did not make stays', [['acknowledged', 'stream']], undefined],
  ['that the run made, and of which nobody has heard, goes', [['made', slot]], slot],
  [
    'goes when only the position before it was stored',
    [
      ['handedOver', 'new'],
      ['acknowledged', 'new'],
      ['made', slot],
    ],
    slot,
  ],
  [
    'goes when rows of the copy were handed over',
    [
      ['made', slot],
      ['handedOver', 'snapshot'],
    ],
    slot,
  ],
  [
    'stays when something of the copy was stored',
    [
      ['made', slot],
      ['handedOver', 'snapshot'],
      ['acknowledged', 'snapshot'],
    ],
    undefined,
  ],
  [
    'stays when a position of the stream was handed over, stored or not',
    [
      ['made', slot],
      ['handedOver', 'stream'],
    ],
    undefined,
  ],
  [
    'that was made anew goes by its own consistent point',
    [
      ['made', slot],
      ['made', later],
    ],
    later,
  ],
  ['that is temporary goes by itself', [['made', temporary]], undefined],
]

test.each(cases)('a slot %s', (_, steps, toDrop) => {
  const ownership = new SlotOwnership()
  for (const step of steps) {
    if (step[0] === 'made') ownership.made(step[1])
    else ownership[step[0]]({ phase: step[1] })
  }
  expect(ownership.toDrop).toEqual(toDrop)
})
