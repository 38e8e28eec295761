import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'

const repository = join(import.meta.dirname, '..')
const sources = join(repository, 'src')

interface SourceFile {
  /** Below src, with slashes. */
  readonly path: string
  readonly text: string
  /** Without comments. */
  readonly code: string
  /** What it imports: a path below src, or the name of a module. */
  readonly imports: readonly string[]
  /** What of that is loaded with it, and not when it is asked for by import(), or is only a type. */
  readonly loads: readonly string[]
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(sources, path), 'utf8')
  const code = text.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')
  const specifiers = [...code.matchAll(/\bfrom\s+'([^']+)'|\bimport\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g)]
  const located = (specifier: string) =>
    specifier.startsWith('.') ? relative(sources, join(sources, dirname(path), specifier)) : specifier
  const imports = specifiers.map(([, from, bare, dynamic]) => located(from ?? bare ?? dynamic ?? ''))
  const loaded = code.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^;'"]*?\bfrom\s+)?'([^']+)'/gm)
  const loads = [...loaded].map(([, specifier]) => located(specifier ?? ''))
  return { path, text, code, imports, loads }
}

const files: readonly SourceFile[] = readdirSync(sources, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map(readSource)

function fileAt(path: string): SourceFile {
  const file = files.find((candidate) => candidate.path === path)
  if (file === undefined) throw new Error(`there is no src/${path}`)
  return file
}

/** A file and everything of src that it needs, however far: what it imports, or what is loaded with it. */
function closure(roots: readonly SourceFile[], by: 'imports' | 'loads' = 'imports'): SourceFile[] {
  const found = new Set(roots)
  for (const file of found) {
    for (const path of file[by]) if (path.endsWith('.ts')) found.add(fileAt(path))
  }
  return [...found]
}

/** The paths of all files of which something holds that should not. */
function offenders(isOne: (file: SourceFile) => boolean, among: readonly SourceFile[] = files): string[] {
  return among.filter(isOne).map(({ path }) => path)
}

/**
 * Each room, and those that it may import from beside itself. What stands in src itself is the package's root, which
 * shows the libraries; in protocol itself, its index.
 */
const rooms: Readonly<Record<string, readonly string[]>> = {
  'protocol/messages': [],
  'protocol/connection': ['protocol/messages'],
  protocol: ['protocol/messages', 'protocol/connection'],
  decoder: ['protocol/messages'],
  replication: ['protocol/messages', 'protocol/connection', 'decoder'],
  '.': ['protocol/messages', 'protocol/connection', 'decoder', 'replication'],
  delivery: ['protocol/messages', 'protocol/connection', 'decoder', 'replication'],
  fuzz: ['protocol/messages', 'protocol/connection', 'decoder', 'replication'],
  cli: ['protocol/messages', 'protocol/connection', 'decoder', 'replication', '.', 'delivery', 'fuzz'],
}

/** The innermost room that a file stands in. */
function roomOf(path: string): string {
  for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) if (folder in rooms) return folder
  return path.includes('/') ? 'none' : '.'
}

/** Files that need themselves, by way of others or of types alone: each with those that it shares its circles with. */
function circles(): string[] {
  return files.flatMap((file) => {
    const needed = closure(file.imports.filter((path) => path.endsWith('.ts')).map(fileAt))
    if (!needed.includes(file)) return []
    return [
      `${file.path} needs itself, through ${file.imports.filter((path) => closure([fileAt(path)]).includes(file))}`,
    ]
  })
}

test('the sources were found', () => {
  expect(files.length).toBeGreaterThan(80)
  expect(fileAt('replication/follow.ts').imports).toContain('replication/run.ts')
})

describe('the rooms', () => {
  test('are all that there is, and each has files', () => {
    expect(new Set(files.map(({ path }) => roomOf(path)))).toEqual(new Set(Object.keys(rooms)))
  })

  test('import from themselves and from those before them', () => {
    const backwards = files.flatMap(({ path, imports }) =>
      imports
        .filter((target) => target.endsWith('.ts'))
        .filter((target) => ![roomOf(path), ...(rooms[roomOf(path)] ?? [])].includes(roomOf(target)))
        .map((target) => `${path} imports ${target}`),
    )
    expect(backwards).toEqual([])
  })

  test('have no circles, within a room neither: no file needs itself, for a type neither', () => {
    expect(circles()).toEqual([])
  })

  test('import only files that exist', () => {
    expect(closure(files)).toHaveLength(files.length)
  })
})

describe('protocol/messages and the decoder', () => {
  const needed = closure(files.filter(({ path }) => /^(protocol\/messages|decoder)\//.test(path)))

  test('need no module of Node, nor does anything that they need', () => {
    expect(needed.length).toBeGreaterThan(40)
    expect(needed.flatMap(({ imports }) => imports.filter((target) => !target.endsWith('.ts')))).toEqual([])
  })

  test('have no Buffer in their types, nor has anything that they need', () => {
    // a look whether there is one, at load, is no type
    expect(offenders(({ code }) => /(?<!globalThis\.)\bBuffer\b/.test(code), needed)).toEqual([])
  })
})

describe('bytes', () => {
  /** Who reads numbers in network order by itself. What is written has no bounds to be checked. */
  const allowed: Readonly<Record<string, string>> = {
    'protocol/messages/big-endian.ts': 'numbers in network order, for who has checked that the bytes are there',
    'protocol/messages/reader.ts': 'the reader of messages',
    'protocol/connection/frontend.ts': 'the key of a cancel request, of whatever length',
  }
  const rawReads =
    /<<\s*24|\.get(Big)?(Int|Uint|Float)(16|32|64)\(|\.read(Big)?U?(Int|Float|Double)(16|32|64)?(BE|LE)\(/

  test('are read as numbers only where that is allowed, so that bounds are checked in one place', () => {
    expect(offenders(({ path, code }) => rawReads.test(code) && allowed[path] === undefined)).toEqual([])
  })

  test('are read so in each of those places: the list has no leftovers', () => {
    expect(Object.keys(allowed).filter((path) => !rawReads.test(fileAt(path).code))).toEqual([])
  })
})

describe('every file', () => {
  test('is one idea: 450 lines at most', () => {
    expect(offenders(({ text }) => text.split('\n').length - 1 > 450)).toEqual([])
  })

  test('is named for its idea', () => {
    expect(offenders(({ path }) => /(^|\/)(utils?|helpers?|common|misc)(\/|\.ts$)/.test(path))).toEqual([])
  })

  test('tells the compiler the truth: no any, no cast by way of unknown, no error silenced', () => {
    expect(offenders(({ text }) => /@ts-(ignore|expect-error|nocheck)|biome-ignore/.test(text))).toEqual([])
    expect(offenders(({ code }) => /\bas any\b|\bas unknown as\b|[:<]\s*any\b/.test(code))).toEqual([])
  })
})

describe('packages', () => {
  const manifest: {
    dependencies: Record<string, string>
    peerDependencies: Record<string, string>
    peerDependenciesMeta: Record<string, { optional?: boolean }>
  } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))

  test('that an embedder gets are one', () => {
    expect(Object.keys(manifest.dependencies)).toEqual(['pg-protocol'])
  })

  test('that one command needs are optional', () => {
    for (const name of Object.keys(manifest.peerDependencies)) {
      expect(manifest.peerDependenciesMeta[name]?.optional, name).toBe(true)
    }
  })

  test('are imported only where they belong: pg-protocol to send, the others by the command, and by what it tries values with', () => {
    const imported = files.flatMap(({ path, imports }) =>
      imports
        .filter((target) => !target.endsWith('.ts') && !target.startsWith('node:'))
        .map((name) => ({ path, name })),
    )
    expect(imported.filter(({ name }) => name === 'pg-protocol')).toEqual([
      { path: 'protocol/connection/frontend.ts', name: 'pg-protocol' },
    ])
    const others = imported.filter(({ name }) => name !== 'pg-protocol')
    const tried = ['postgres', 'fast-check']
    const belongs = ({ path, name }: { path: string; name: string }) =>
      path.startsWith('cli/') || (path.startsWith('fuzz/') && tried.includes(name))
    expect(others.filter((one) => !belongs(one))).toEqual([])
    expect(others.filter(({ name }) => !(name in manifest.peerDependencies))).toEqual([])
  })

  test('that are optional are loaded by import() where they are used, and never before', () => {
    const optional = Object.keys(manifest.peerDependencies)
    // the command, the libraries, and each subcommand as it stands before it asks for its packages
    const entries = files.filter(({ path }) => /(^|\/)(main|index|\w+-command)\.ts$/.test(path))
    expect(entries.length).toBeGreaterThan(5)
    const loaded = closure(entries, 'loads')
    expect(loaded.length).toBeGreaterThan(100)
    expect(loaded.flatMap(({ loads }) => loads.filter((name) => optional.includes(name)))).toEqual([])
  })
})

describe('without Buffer, as in a browser,', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  test('the decoder reads a whole transaction', async () => {
    vi.resetModules()
    vi.stubGlobal('Buffer', undefined)
    const { PgoutputDecoder } = await import('../src/decoder/pgoutput.ts')
    const encode = await import('../src/decoder/messages.ts')
    const utf8 = new TextEncoder()
    const tuple = ['7', 'é€😀 and more than a few characters', '{1,NULL}'].map((text) => utf8.encode(text))
    const messages = [
      encode.encodeBegin({ kind: 'begin', finalLsn: 0x1100n, commitTime: 0n, xid: 700 }),
      encode.encodeRelation({
        kind: 'relation',
        oid: 16_385,
        schema: 'public',
        name: 'orders',
        replicaIdentity: 'default',
        columns: [
          { name: 'id', typeOid: 20, typmod: -1, key: true },
          { name: 'body', typeOid: 25, typmod: -1, key: false },
          { name: 'list', typeOid: 1007, typmod: -1, key: false },
        ],
      }),
      encode.encodeInsert(16_385, tuple),
      encode.encodeUpdate(16_385, { kind: 'O', tuple }, [tuple[0] ?? null, 'unchanged', null]),
      encode.encodeDelete(16_385, { kind: 'K', tuple: [tuple[0] ?? null, null, null] }),
      encode.encodeCommit({ kind: 'commit', commitLsn: 0x1100n, endLsn: 0x1130n, commitTime: 0n }),
    ]
    const decoder = new PgoutputDecoder({ protoVersion: 1 })
    const decoded = messages.map((message) => decoder.decode(message))
    vi.unstubAllGlobals()
    const row = { id: 7n, body: 'é€😀 and more than a few characters', list: [1, null] }
    expect(decoded).toMatchObject([
      { kind: 'begin', xid: 700 },
      { kind: 'relation' },
      { kind: 'insert', new: row },
      { kind: 'update', old: row, new: { ...row, list: null } },
      { kind: 'delete', key: { id: 7n } },
      { kind: 'commit', endLsn: 0x1130n },
    ])
  })
})

describe('the tests', () => {
  const tests = readdirSync(join(repository, 'test'), { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.test.ts') && !path.includes('node_modules'),
  )

  test('all run: none is skipped, put off or alone', () => {
    expect(tests.length).toBeGreaterThan(50)
    // runIf and skipIf give a reason: what a version of the server does not have
    const heldBack = /\b(test|describe|it)(\.\w+)*\.(skip|todo|only|fails)\b/
    expect(tests.filter((path) => heldBack.test(readFileSync(join(repository, 'test', path), 'utf8')))).toEqual([])
  })
})
