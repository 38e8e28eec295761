import { afterEach, describe, expect, test, vi } from 'vitest'
import { bootServer } from './index.ts'
import { provider } from './provider.ts'

afterEach(() => vi.unstubAllEnvs())

test.each([
  [undefined, { kind: 'binaries' }],
  ['', { kind: 'binaries' }],
  ['testcontainers', { kind: 'testcontainers' }],
  ['postgres://me@db/x', { kind: 'given', uri: 'postgres://me@db/x' }],
  ['postgresql://me@db/x', { kind: 'given', uri: 'postgresql://me@db/x' }],
])('WALWIRE_TEST_SERVER=%s is %o', (value, expected) => {
  expect(provider(value ?? '')).toEqual(expected)
})

test('WALWIRE_TEST_SERVER is nothing else', () => {
  expect(() => provider('docker')).toThrow('it takes a postgres:// URI, "testcontainers", or nothing')
})

test('a test that needs its own server fails on a given one', async () => {
  vi.stubEnv('WALWIRE_TEST_SERVER', 'postgres://postgres@127.0.0.1:1/postgres')
  await expect(bootServer()).rejects.toThrow('needs a server of its own')
})

describe('testcontainers', () => {
  test('fail where no engine answers, and say so', async () => {
    // The engine itself is not at hand in this test, whether or not the machine has one.
    vi.doMock('testcontainers', async (original) => ({
      ...(await original<typeof import('testcontainers')>()),
      getContainerRuntimeClient: () => Promise.reject(new Error('Could not find a working container runtime strategy')),
    }))
    vi.stubEnv('WALWIRE_TEST_SERVER', 'testcontainers')
    await expect(bootServer()).rejects.toThrow(/no container engine answers\. Start Docker.*runtime strategy/)
    vi.doUnmock('testcontainers')
  })
})
