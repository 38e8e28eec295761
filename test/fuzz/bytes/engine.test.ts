import { expect, test } from 'vitest'
import { Board } from '../../../fuzz/board.ts'
import { Coverage } from '../../../fuzz/coverage.ts'
import { Engine } from '../../../fuzz/engine.ts'
import { Random } from '../../../fuzz/random.ts'
import { demand, type Target } from '../../../fuzz/target.ts'
import type { Fault } from '../../../fuzz/verdict.ts'
import { ProtocolError, WalwireError } from '../../../src/protocol/messages/errors.ts'

const utf8 = new TextDecoder('latin1')

function target(run: (input: Uint8Array) => void, rest: Partial<Target> = {}): Target {
  return { name: 'planted', about: 'a planted bug', seeds: () => [new TextEncoder().encode('seed')], run, ...rest }
}

interface Run {
  readonly faults: readonly { readonly fault: Fault; readonly input: Uint8Array }[]
  readonly kept: readonly string[]
}

async function fuzz(target: Target, inputs: number, seed = '1', coverage?: Coverage): Promise<Run> {
  const faults: { fault: Fault; input: Uint8Array }[] = []
  const kept: string[] = []
  const engine = new Engine({
    target,
    seed,
    board: new Board(),
    coverage,
    corpus: [],
    onKept: (input) => kept.push(utf8.decode(input)),
    onFault: (fault, input) => faults.push({ fault, input }),
  })
  await engine.run(() => engine.inputs >= inputs || faults.length > 0)
  return { faults, kept }
}

test('an exception that is none of walwire’s is found, once, and its input made as small as it can be', async () => {
  const { faults } = await fuzz(
    target((input) => {
      if (input.includes(0x21)) throw new TypeError(`cannot read ${input.length}`)
    }),
    3000,
  )
  expect(faults).toMatchObject([{ fault: { kind: 'threw', message: 'TypeError: cannot read 1' } }])
  expect(faults[0]?.input).toEqual(Uint8Array.of(0x21))
})

test('a value that is wrong is found by what the target demands', async () => {
  const { faults } = await fuzz(
    target((input) => demand(input.length < 40, 'too long')),
    1000,
  )
  expect(faults).toMatchObject([{ fault: { kind: 'broken', message: 'too long' } }])
  expect(faults[0]?.input).toHaveLength(40)
})

test('an error of walwire’s is as good as a value, if it says where', async () => {
  const fail = (offset: number) =>
    target(() => {
      throw new ProtocolError('a thing could not be read', 'it is none', offset)
    })
  expect((await fuzz(fail(0), 200)).faults).toEqual([])
  expect((await fuzz(fail(100_000), 200)).faults).toMatchObject([{ fault: { kind: 'broken' } }])
  expect((await fuzz(fail(-1), 200)).faults).toMatchObject([{ fault: { kind: 'broken' } }])
  expect((await fuzz({ ...fail(-1), hasOffsets: false }, 200)).faults).toEqual([])
})

test('an error of walwire’s with nothing to say is found', async () => {
  const silent = target(() => {
    throw new WalwireError('bad_option', { what: 'it failed', why: '', hint: 'try again' })
  })
  expect((await fuzz(silent, 100)).faults).toMatchObject([{ fault: { kind: 'broken' } }])
})

test('an allocation that a few bytes ask for is found', async () => {
  const kept: Uint8Array[] = []
  const { faults } = await fuzz(
    target((input) => {
      const claimed = ((input[0] ?? 0) << 24) >>> 0
      if (claimed > 0x2000_0000) return
      kept[0] = new Uint8Array(claimed)
    }),
    2000,
  )
  expect(faults).toMatchObject([{ fault: { kind: 'allocated' } }])
})

test('time that grows faster than the input is found', async () => {
  const quadratic = target((input) => {
    let sum = 0
    // every byte for every 512th: a little slow for 128 kB, and not for the inputs that are usual
    for (let index = 0; index < input.length; index += 512) for (const other of input) sum += other
    if (sum < 0) throw new Error('never')
  })
  const coverage = new Coverage((url) => url.includes('engine.test'))
  try {
    expect((await fuzz(quadratic, 3000, '1', coverage)).faults).toMatchObject([{ fault: { kind: 'quadratic' } }])
  } finally {
    coverage.end()
  }
})

test('inputs that reach code that none had reached are kept, and lead on: a word is found letter by letter', async () => {
  const lock = target((input) => {
    if (input[0] !== 0x77) return
    if (input[1] !== 0x61) return
    if (input[2] !== 0x6c) return
    throw new TypeError('open')
  })
  const coverage = new Coverage((url) => url.includes('engine.test'))
  try {
    const { faults } = await fuzz(lock, 60_000, '1', coverage)
    expect(faults.map(({ input }) => utf8.decode(input))).toEqual(['wal'])
  } finally {
    coverage.end()
  }
})

test('the same seed tries the same inputs in the same order', async () => {
  const inputsOf = async (seed: string) => {
    const inputs: string[] = []
    await fuzz(
      target((input) => {
        inputs.push(utf8.decode(input))
      }),
      500,
      seed,
    )
    return inputs
  }
  const [first, again, other] = [await inputsOf('a'), await inputsOf('a'), await inputsOf('b')]
  expect(first.length).toBeGreaterThan(400)
  expect(again).toEqual(first)
  expect(other).not.toEqual(first)
})

test('random numbers stay within their limits, and come again with their seed', () => {
  const draw = (seed: string) => {
    const random = new Random(seed)
    return Array.from({ length: 500 }, (_, index) => [
      random.below(7),
      random.upTo(9),
      random.uint32(),
      random.bytes(index % 5),
    ])
  }
  expect(draw('x')).toEqual(draw('x'))
  expect(draw('x')).not.toEqual(draw('y'))
  const sevens = draw('x').map(([below]) => below)
  expect(new Set(sevens)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]))
  const nines = draw('x').map(([, upTo]) => upTo)
  expect(new Set(nines)).toEqual(new Set([1, 2, 3, 4, 5, 6, 7, 8, 9]))
})
