import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder `fuzz`, wherever this was compiled to. */
export const fuzzFolder = findFuzzFolder(dirname(fileURLToPath(import.meta.url)))

function findFuzzFolder(folder: string): string {
  if (existsSync(join(folder, 'corpus'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('there is no folder corpus above this file')
  return findFuzzFolder(parent)
}

const corpusFolder = join(fuzzFolder, 'corpus')

/** The bytes of a file below fuzz/corpus. */
export function readCorpusFile(path: string): Uint8Array {
  return new Uint8Array(readFileSync(join(corpusFolder, path)))
}

/** The value in a JSON file below fuzz/corpus; these are written by `record` alone. */
export function readCorpusJson<Value>(path: string): Value {
  return JSON.parse(readFileSync(join(corpusFolder, path), 'utf8'))
}

/** Inputs of a target that showed a bug once, by file name. */
export function regressionsOf(target: string): readonly (readonly [name: string, input: Uint8Array])[] {
  const folder = join(corpusFolder, 'found', target)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))])
}

/** Puts an input down for whoever is to look at it, outside of version control. Returns its path. */
export function saveFinding(target: string, input: Uint8Array): string {
  const name = createHash('sha256').update(input).digest('hex').slice(0, 12)
  const path = join(fuzzFolder, 'findings', target, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, input)
  return path
}
