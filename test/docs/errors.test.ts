import { describe, expect, test } from 'vitest'
import { commandErrorCodes } from '../../src/cli/command-error.ts'
import { exitCodeOf, lostCodes } from '../../src/cli/exit-code.ts'
import { type ErrorCode, errorCodes, WalwireError } from '../../src/protocol/messages/errors.ts'
import { readDocument } from './documents.ts'

/** The rows of all tables, without heads and rules: their cells. */
const rows = readDocument('docs/errors.md')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.slice(2, -2).split(' | '))

const libraryRows = rows.filter((cells) => cells.length === 5)
const commandRows = rows.filter((cells) => cells.length === 4)

const sentences = { what: '', why: '', hint: '' }

function isErrorCode(name: string): name is ErrorCode {
  return Object.hasOwn(errorCodes, name)
}

describe('docs/errors.md', () => {
  test("has the library's codes, each once, in the order of the code, with whether to try again and the exit code", () => {
    const expected = Object.keys(errorCodes)
      .filter(isErrorCode)
      .map((code) => {
        const error = new WalwireError(code, sentences)
        return [`\`${code}\``, error.retryable ? 'yes' : 'no', String(exitCodeOf(error))]
      })
    expect(libraryRows.map((cells) => cells.slice(0, 3))).toEqual(expected)
  })

  test("has the command's codes, each once, in the order of the code, with their exit code", () => {
    const expected = Object.entries(commandErrorCodes).map(([code, { exitCode }]) => [`\`${code}\``, String(exitCode)])
    expect(commandRows.map((cells) => cells.slice(0, 2))).toEqual(expected)
  })

  test('says of each what it means and what to do', () => {
    expect(libraryRows.length + commandRows.length).toBe(rows.length)
    for (const cells of rows) for (const cell of cells.slice(-2)) expect(cell.length, cells[0]).toBeGreaterThan(5)
  })
})

describe('docs/operating.md', () => {
  test('has the way out of every failure that cannot be continued from', () => {
    const section = readDocument('docs/operating.md').split('## When a feed cannot continue')[1] ?? ''
    expect([...lostCodes].filter((code) => !section.includes(`\`${code}\``))).toEqual([])
  })
})
