import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testVersions } from '../server/index.ts'
import { type Block, blocksOf, documents } from './documents.ts'
import { givens } from './given.ts'
import { notesOf } from './notes.ts'
import { compile, type Programs } from './programs.ts'
import { Session } from './session.ts'

const blocks = documents.flatMap((document) => blocksOf(document))
const compiled = await mkdtemp(join(tmpdir(), 'walwire-programs-'))
let programs: Programs

beforeAll(async () => {
  for (const { module, text } of Object.values(givens)) await writeFile(join(compiled, `${module}.ts`), text)
  const typescript = blocks.filter(({ language }) => language === 'ts')
  programs = await compile(typescript, compiled, (block) => {
    const { given } = notesOf(block)
    return given === undefined ? '' : (givens[given]?.prelude ?? `// there is no ${given}`)
  })
})
afterAll(() => rm(compiled, { recursive: true }))

/** How to operate a server is tried on all versions; the rest on the one that most tests use. */
function versionsFor(document: string): number[] {
  const versions = testVersions()
  if (document === 'docs/operating.md') return versions
  return versions.includes(17) ? [17] : versions.slice(-1)
}

const needServer = new Set(['ts', 'sh', 'sql', 'json'])
const sessions = documents.filter((document) =>
  blocks.some((block) => block.document === document && needServer.has(block.language)),
)

describe.each(sessions)('%s', (document) => {
  describe.each(versionsFor(document))('on PostgreSQL %i', (version) => {
    let session: Session
    beforeAll(async () => {
      session = await Session.open(document, version, programs)
    })
    afterAll(() => session?.close())

    test.each(blocksOf(document).map((block): [string, Block] => [`${block.language} in line ${block.line}`, block]))(
      '%s',
      { timeout: 60_000 },
      async (_, block) => {
        await session.run(block)
      },
    )
  })
})

test('no block is left out: a document without a server has drawings alone', () => {
  const rest = blocks.filter(({ document }) => !sessions.includes(document))
  expect(rest.filter((block) => block.language !== 'text' || !notesOf(block).drawing)).toEqual([])
})

test('what is given is used', () => {
  const used = new Set(blocks.map((block) => notesOf(block).given).filter((name) => name !== undefined))
  expect([...used].sort()).toEqual(Object.keys(givens).sort())
})
