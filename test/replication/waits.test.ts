import { expect, test } from 'vitest'
import { Waits } from '../../src/replication/waits.ts'

test('what began last is what is waited for, as long as it lasts and has something to say', async () => {
  const waits = new Waits()
  const gates: (() => void)[] = []
  const gate = () => new Promise<void>((open) => gates.push(open))
  const outer = waits.during(async (say) => {
    say('the outer')
    await gate()
  })
  const inner = waits.during(async (say) => {
    await gate()
    say('the inner')
    await gate()
    throw new Error('in vain')
  })
  const failed = expect(inner).rejects.toThrow('in vain')
  expect(waits.latest).toBe('the outer')
  gates[1]?.()
  await expect.poll(() => waits.latest).toBe('the inner')
  gates[2]?.()
  await failed
  expect(waits.latest).toBe('the outer')
  gates[0]?.()
  await outer
  expect(waits.latest).toBeUndefined()
})
