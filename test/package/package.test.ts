import { cp, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { execFileAsync, type InstalledPackage, installPacked, repository } from './installed.ts'

// packing, installing, and compiling with the declarations of Node
vi.setConfig({ testTimeout: 120_000 })

let installed: InstalledPackage
beforeAll(async () => {
  installed = await installPacked()
})
afterAll(() => installed[Symbol.asyncDispose]())

/** The files of the installed package, below it. */
async function files(): Promise<string[]> {
  const entries = await readdir(installed.walwire, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  return paths.map((path) => path.slice(installed.walwire.length + 1))
}

const text = (path: string) => readFile(join(installed.walwire, path), 'utf8')

describe('the tarball', () => {
  test('installs two packages', async () => {
    const lock: { packages: object } = JSON.parse(
      await readFile(join(installed.app, 'node_modules/.package-lock.json'), 'utf8'),
    )
    expect(Object.keys(lock.packages)).toEqual(['node_modules/pg-protocol', 'node_modules/walwire'])
  })

  test('has what was built, the readme and the licence, and is small', async () => {
    const paths = await files()
    expect(paths.filter((path) => !/^dist\/.+\.(js|d\.ts)$/.test(path)).sort()).toEqual([
      'LICENSE',
      'README.md',
      'package.json',
    ])
    const sizes = await Promise.all(paths.map(async (path) => (await stat(join(installed.walwire, path))).size))
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(1_300_000)
  })

  test('explains itself in the declarations, once, and declares nothing that no import leads to', async () => {
    const paths = await files()
    expect(await text('dist/replication/feed.d.ts')).toContain('@throws {WalwireError} `ack_ahead`')
    for (const path of paths.filter((name) => name.endsWith('.js'))) expect(await text(path), path).not.toContain('/**')
    const declarations = paths.filter((path) => path.endsWith('.d.ts'))
    expect(declarations).toContain('dist/index.d.ts')
    expect(declarations.filter((path) => path.startsWith('dist/cli/'))).toEqual([])
  })
})

describe('the types', () => {
  beforeAll(async () => {
    await cp(join(import.meta.dirname, 'consumer'), installed.app, { recursive: true })
    // beside the application, which so has nothing in its own node_modules but what walwire brought
    await mkdir(join(installed.above, 'node_modules/@types'), { recursive: true })
    for (const name of ['@types/node', 'undici-types']) {
      await symlink(join(repository, 'node_modules', name), join(installed.above, 'node_modules', name))
    }
  })

  test.each([
    ['nodenext', 'nodenext', ['feed.mts', 'feed.cts']],
    // what bundlers do not understand is `import x = require(…)`
    ['esnext', 'bundler', ['feed.mts']],
  ])('serve a strict consumer, module %s and moduleResolution %s: %j', async (module, moduleResolution, sources) => {
    const project = { extends: './tsconfig.json', compilerOptions: { module, moduleResolution }, files: sources }
    expect(await compile(project)).toBe('')
  })

  test('have no fault that publint knows', async () => {
    const { buffer, byteOffset, byteLength } = installed.tarball
    const tarball = new Uint8Array(buffer, byteOffset, byteLength).slice().buffer
    const { messages, pkg } = await publint({ pack: { tarball }, strict: true })
    expect(messages.map((message) => formatMessage(message, pkg ?? {}))).toEqual([])
  })

  test('are not wrong, says the tool that asks that', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(installed.tarball))
    if (!analysis.types) throw new Error('no types were found')
    const entries = ['.', './protocol', './protocol/messages', './decoder', './replication', './delivery']
    expect(Object.keys(analysis.entrypoints)).toEqual([...entries, './package.json'])
    // Two things are meant so. `require` gives an ES module, as Node does from 20.19; resolution as before Node 12.7,
    // which knows no exports, finds nothing.
    const known = { 'node16-cjs': 'CJSResolvesToESM', node10: 'NoResolution' } as const
    const expected = entries.flatMap((entrypoint) =>
      Object.entries(known).map(([resolutionKind, kind]) => ({ kind, entrypoint, resolutionKind })),
    )
    expect(analysis.problems).toHaveLength(expected.length)
    expect(analysis.problems).toEqual(expect.arrayContaining(expected))
  })
})

/** What the compiler says of a project in the application's folder: nothing where all is well. */
async function compile(project: object): Promise<string> {
  const path = join(installed.app, 'tsconfig.test.json')
  await writeFile(path, JSON.stringify(project))
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  try {
    return (await execFileAsync(process.execPath, [compiler, '-p', path])).stdout
  } catch (error) {
    if (error instanceof Error && 'stdout' in error) return String(error.stdout)
    throw error
  }
}
