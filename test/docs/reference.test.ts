import { expect, test } from 'vitest'
import { follow, WalwireError } from '../../src/index.ts'
import { run } from '../cli/command.ts'
import { documents, readDocument } from './documents.ts'

const readme = readDocument('README.md')

/** The options that there are, as the error for one that there is not lists them. */
function optionNames(): string[] {
  try {
    follow(Object.assign({ publication: 'shop' }, { nothing: true }))
  } catch (error) {
    if (error instanceof WalwireError) return error.hint.replace(/^use /, '').split(', ')
  }
  return []
}

test('the README names every option of follow()', () => {
  expect(optionNames().length).toBeGreaterThan(10)
  expect(optionNames().filter((name) => !new RegExp(`\\b${name}\\b`).test(readme))).toEqual([])
})

test('the README names every command', async () => {
  const { stdout } = await run(['--help'])
  const commands = [...stdout.matchAll(/^ {2}(\w+) {2,}\w/gm)].map(([, name]) => name)
  expect(commands).toContain('follow')
  expect(commands.filter((name) => !readme.includes(`walwire ${name}`))).toEqual([])
})

test('the README links to every document of docs', () => {
  const inDocs = documents.filter((path) => path.startsWith('docs/'))
  expect(inDocs.length).toBeGreaterThan(4)
  expect(inDocs.filter((path) => !readme.includes(`](${path})`))).toEqual([])
})
