import { expect, test } from 'vitest'
import { chooseTypes, readFuzzArguments, sortFuzzArguments } from '../../../src/cli/fuzz/fuzz-arguments.ts'
import { loadPackages } from '../../../src/cli/fuzz/fuzz-packages.ts'
import { fuzzedTypes } from '../../../src/fuzz/forms/fuzzed-types.ts'

const read = (...argv: string[]) => readFuzzArguments(sortFuzzArguments(argv))
const types = fuzzedTypes({ version: 17, extensions: ['hstore'] })

test('without arguments a thousand values of each type are tried on a server that is booted', () => {
  expect(read()).toEqual({ url: undefined, types: undefined, runs: 1000, durationMs: undefined, seed: undefined })
})

test('with a duration the number of values has no end, unless it is given', () => {
  expect(read('--duration', '1.5min')).toMatchObject({ durationMs: 90_000, runs: undefined })
  expect(read('--duration', '10s', '--runs', '5')).toMatchObject({ durationMs: 10_000, runs: 5 })
})

test('all that can be said', () => {
  expect(read('postgres://host/db', '--types', 'int4, text[],int4', '--seed', '0')).toMatchObject({
    url: 'postgres://host/db',
    types: ['int4', 'text[]'],
    seed: 0,
  })
})

test.each([
  [['--runs', '0'], '--runs cannot be "0"'],
  [['--seed', '-1'], '--seed needs a value'],
  [['--seed=4294967296'], '--seed cannot be "4294967296"'],
  [['--duration', 'long'], '--duration cannot be "long"'],
  [['--types', 'int4,,text'], '--types cannot be "int4,,text"'],
  [['a', 'b'], 'more than one URL is given'],
  [[''], 'the URL is empty'],
  [['--sed', '1'], 'unknown option --sed'],
])('%j is wrong usage', (argv, what) => {
  expect(() => read(...argv)).toThrow(expect.objectContaining({ code: 'usage', what }))
})

test('types are chosen by the names of the table', () => {
  expect(chooseTypes(undefined, types)).toBe(types)
  expect(chooseTypes(['hstore[]', '"char"'], types).map(({ name }) => name)).toEqual(['hstore[]', '"char"'])
  expect(() => chooseTypes(['itn4'], types)).toThrow(expect.objectContaining({ hint: 'did you mean int4?' }))
  expect(() => chooseTypes(['citext'], types)).toThrow(expect.objectContaining({ code: 'usage' }))
})

test('packages that are not installed are named in the line that installs them', async () => {
  const there = { postgres: async () => (await import('postgres')).default, fastCheck: () => import('fast-check') }
  const gone = () => Promise.reject(new Error('Cannot find package'))
  await expect(loadPackages(there)).resolves.toBeTypeOf('function')
  await expect(loadPackages({ ...there, fastCheck: gone })).rejects.toMatchObject({
    code: 'package_missing',
    hint: 'npm install fast-check',
  })
  await expect(loadPackages({ postgres: gone, fastCheck: gone })).rejects.toMatchObject({
    code: 'package_missing',
    hint: 'npm install fast-check postgres',
  })
})
