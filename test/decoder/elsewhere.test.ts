import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copyTextLayout } from '../../src/decoder/copy-text.ts'
import { Cursor, type RowLayout, rowReader } from '../../src/decoder/row-reader.ts'
import { tupleLayout } from '../../src/decoder/tuple.ts'
import { hostileNames, type SentColumn, utf8, wellFormedRow } from './arbitraries.ts'
import { copyLineOf, fieldOf, tupleOf } from './wire-rows.ts'

/** The decoder as JavaScript, for processes that know no TypeScript. */
let compiled: string

beforeAll(() => {
  compiled = mkdtempSync(join(tmpdir(), 'walwire-decoder-'))
  const sources = fileURLToPath(new URL('../../src/', import.meta.url))
  const tsconfig = join(compiled, 'tsconfig.json')
  writeFileSync(join(compiled, 'package.json'), '{ "type": "module" }')
  writeFileSync(
    tsconfig,
    JSON.stringify({
      extends: join(sources, '../tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        noCheck: true,
        declaration: false,
        allowImportingTsExtensions: false,
        rootDir: sources,
        outDir: compiled,
        types: [],
      },
      include: [],
      files: ['decoder/pgoutput.ts', 'decoder/copy-text.ts'].map((file) => join(sources, file)),
    }),
  )
  const compiler = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace('package.json', 'bin/tsc')
  execFileSync(process.execPath, [compiler, '-p', tsconfig])
})

afterAll(() => {
  rmSync(compiled, { recursive: true })
})

const layouts: readonly { name: string; layout: RowLayout; encode: (values: SentColumn['sent'][]) => Uint8Array }[] = [
  { name: 'tuples', layout: tupleLayout, encode: tupleOf },
  { name: 'lines of COPY', layout: copyTextLayout, encode: copyLineOf },
]

const hostileTable = hostileNames.map((name): SentColumn => ({ name, typeOid: 25, skipped: false, sent: utf8(name) }))

/** Reads the same rows here and in a process that was started so, and compares. */
function expectTheSameRowsWith(nodeOptions: readonly string[], ...given: string[]) {
  const tables = [hostileTable, ...fc.sample(wellFormedRow, { numRuns: 40, seed: 1 })].map((columns) =>
    columns.map((column) => ({ ...column, skipped: false })),
  )
  const requests = layouts.flatMap(({ name, layout, encode }) =>
    tables.map((columns) => {
      const rows = [columns.map(({ sent }) => sent), columns.map(() => null)].map(encode)
      const cursor = new Cursor()
      const read = rowReader(layout, columns.map(fieldOf), cursor, 'public.t')
      return {
        asked: {
          layout: name,
          names: columns.map((column) => column.name),
          oids: columns.map((column) => column.typeOid),
          rows: rows.map((row) => Buffer.from(row).toString('base64')),
        },
        here: rows.map((row) =>
          inspect([Object.entries(read(row, 0, row.length)), cursor.end, cursor.unchanged], {
            depth: null,
            maxArrayLength: null,
            maxStringLength: null,
          }),
        ),
      }
    }),
  )
  const script = fileURLToPath(new URL('./read-rows.mjs', import.meta.url))
  const input = JSON.stringify(requests.map(({ asked }) => asked))
  const output = execFileSync(process.execPath, [...nodeOptions, script, compiled, ...given], {
    input,
    encoding: 'utf8',
  })
  const { generatesCode, results }: { generatesCode: boolean; results: string[][] } = JSON.parse(output)
  expect(results).toEqual(requests.map(({ here }) => here))
  return { generatesCode }
}

test('where making functions from text is forbidden, rows are read with equal results', () => {
  const { generatesCode } = expectTheSameRowsWith(['--disallow-code-generation-from-strings'])
  expect(generatesCode).toBe(false)
})

test('where there is no Buffer, as in a browser, rows are read with equal results', () => {
  const { generatesCode } = expectTheSameRowsWith([], 'without-buffer')
  expect(generatesCode).toBe(true)
})
