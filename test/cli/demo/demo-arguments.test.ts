import { describe, expect, test } from 'vitest'
import { CommandError } from '../../../src/cli/command-error.ts'
import { type DemoArguments, readDemoArguments, sortDemoArguments } from '../../../src/cli/demo/demo-arguments.ts'

const read = (...line: string[]): DemoArguments => readDemoArguments(sortDemoArguments(line))

test('nothing need be given', () => {
  expect(read()).toEqual({ durationMs: undefined, rate: 3, seed: 1, port: undefined })
})

test.each<[string[], Partial<DemoArguments>]>([
  [['--duration', '10s'], { durationMs: 10_000 }],
  [['--duration', '10'], { durationMs: 10_000 }],
  [['--duration', '250ms'], { durationMs: 250 }],
  [['--duration=1.5min'], { durationMs: 90_000 }],
  [['--duration', '2 h'], { durationMs: 7_200_000 }],
  [['--rate', '0'], { rate: 0 }],
  [['--rate', '0.5'], { rate: 0.5 }],
  [['--seed', '4294967295'], { seed: 4_294_967_295 }],
  [['--port', '5433'], { port: 5433 }],
])('%j', (line, expected) => {
  expect(read(...line)).toMatchObject(expected)
})

describe('refused', () => {
  test.each([
    [['--duration', '0s'], '--duration cannot be "0s"'],
    [['--duration', 'ten'], '--duration cannot be "ten"'],
    [['--duration', '10 days'], '--duration cannot be "10 days"'],
    [['--duration', '1000h'], '--duration cannot be "1000h"'],
    [['--rate=-1'], '--rate cannot be "-1"'],
    [['--rate', '1e9'], '--rate cannot be "1e9"'],
    [['--seed', '1.5'], '--seed cannot be "1.5"'],
    [['--port', '0'], '--port cannot be "0"'],
    [['--port', '65536'], '--port cannot be "65536"'],
    [['postgres://db/shop'], 'walwire demo takes no argument "postgres://db/shop"'],
    [['--durations', '1s'], 'unknown option --durations'],
  ])('%j', (line, what) => {
    const refusal = (() => {
      try {
        return read(...line)
      } catch (error) {
        return error
      }
    })()
    expect(refusal).toBeInstanceOf(CommandError)
    expect(refusal).toMatchObject({ code: 'usage', what })
  })
})
