import { expect, test } from 'vitest'
import { checkPlantable, plantedBugs } from './planted.ts'

const bugs = await plantedBugs()

test('there are bugs to plant', () => {
  expect(bugs.length).toBeGreaterThan(5)
})

test.each(bugs)('%s is a change of the sources as they are', async (patch) => {
  await checkPlantable(patch)
})
