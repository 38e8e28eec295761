import { expect, test } from 'vitest'
import { plant, plantedBugs } from './planted.ts'

test('there are bugs to plant', async () => {
  expect((await plantedBugs()).length).toBeGreaterThan(5)
})

test.each(await plantedBugs())('%s is still a change of what the sources are', async (patch) => {
  await using planted = await plant(patch)
  expect(planted).toBeDefined()
})
