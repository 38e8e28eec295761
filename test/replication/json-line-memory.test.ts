import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

interface Written {
  readonly bytes?: number
  readonly code?: string
  readonly table?: string
  readonly column?: string
  readonly peak: number
}

function write(size: number, kind: string): Written {
  const program = fileURLToPath(new URL('write-line.mjs', import.meta.url))
  const printed: Written = JSON.parse(
    execFileSync(process.execPath, [program, String(size), kind], { encoding: 'utf8' }),
  )
  return printed
}

const megabytes = 1_000_000
/** The process by itself. */
const processBytes = 80 * megabytes

describe('a line of JSON of a large value', () => {
  test.each([
    ['bytea', 10],
    ['array', 10],
    ['composite', 10],
    ['message', 10],
    // the row and the one before it
    ['two', 16],
    // two bytes a character
    ['json', 24],
  ])(
    'takes memory in proportion to it: %s (trap 77)',
    (kind, perByte) => {
      const size = (kind === 'two' ? 30 : 60) * megabytes
      const { bytes = 0, peak } = write(size, kind)
      expect(bytes).toBeGreaterThan(size)
      expect(peak - processBytes).toBeLessThan(size * perByte)
    },
    60_000,
  )

  test('is written as long as a string can hold it: 260 MB of bytes', () => {
    const { bytes, peak } = write(260 * megabytes, 'bytea')
    expect(bytes).toBeGreaterThan(520 * megabytes)
    expect(peak).toBeLessThan(260 * megabytes * 10)
  }, 120_000)

  test.each(['bytea', 'array', 'two'])(
    'is refused where no string can hold it, with table and column: %s',
    (kind) => {
      const { code, table, column } = write((kind === 'two' ? 140 : 280) * megabytes, kind)
      expect({ code, table, column }).toEqual({ code: 'value_too_long', table: 'public.t', column: 'large' })
    },
    120_000,
  )

  test('is refused too where it is a message, which no table has', () => {
    const { code, table } = write(420 * megabytes, 'message')
    expect({ code, table }).toEqual({ code: 'value_too_long', table: undefined })
  }, 120_000)
})
