import fc from 'fast-check'
import { test } from 'vitest'

/** Laws are tried so many times more often than by default, for a long search: `WALWIRE_PROPERTY_BUDGET=50`. */
const budget = Number(process.env.WALWIRE_PROPERTY_BUDGET ?? '1')
if (!(budget > 0)) throw new Error('WALWIRE_PROPERTY_BUDGET is how many times more often to try each law, a number')

/**
 * A test that tries a property on random inputs. A failure's report has the seed and the smallest input that fails.
 *
 * @param runs how many inputs, at a budget of 1
 */
export function law<Inputs>(
  story: string,
  property: fc.IProperty<Inputs> | fc.IAsyncProperty<Inputs>,
  runs = 100,
): void {
  const numRuns = Math.max(1, Math.round(runs * budget))
  test(story, { timeout: 30_000 * Math.max(1, budget) }, () => fc.assert(property, { numRuns }))
}
