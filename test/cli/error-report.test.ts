import { describe, expect, test } from 'vitest'
import { CommandError, commandErrorCodes } from '../../src/cli/command-error.ts'
import { jsonDiagnostics, plainDiagnostics } from '../../src/cli/diagnostics.ts'
import { errorLines } from '../../src/cli/error-report.ts'
import { exitCodeOf, lostCodes, usageCodes } from '../../src/cli/exit-code.ts'
import { systemReason } from '../../src/delivery/file/system-reason.ts'
import { type ErrorCode, errorCodes, WalwireError } from '../../src/protocol/messages/errors.ts'

const parts = { what: 'the slot is gone', why: 'somebody dropped it', hint: 'begin anew' }

describe('an error is three lines', () => {
  test('of the library', () => {
    expect(errorLines(new WalwireError('slot_lost', parts), { stack: false })).toEqual([
      'error: the slot is gone [slot_lost]',
      'why:   somebody dropped it',
      'hint:  begin anew',
    ])
  })

  test('of the command', () => {
    expect(errorLines(new CommandError('usage', parts), { stack: false })).toHaveLength(3)
  })

  test.each([[new TypeError('x is not a function')], ['a thrown string'], [undefined]])('of nobody: %s', (error) => {
    const lines = errorLines(error, { stack: false })
    expect(lines).toHaveLength(3)
    expect(lines[2]).toContain('--log-level debug')
  })

  test('also when a server says several lines, or sends what a terminal obeys', () => {
    const why = 'line 1: x\n  ^\r\nand \u001b[2Jmore\u0000'
    const lines = errorLines(new WalwireError('server_error', { ...parts, why }), { stack: false })
    expect(lines[1]).toBe('why:   line 1: x ^ and \\u001b[2Jmore\\u0000')
  })

  test('the stack, with that of the cause, only when asked for', () => {
    const error = new WalwireError('slot_lost', { ...parts, cause: new Error('the cause') })
    const lines = errorLines(error, { stack: true })
    expect(lines.filter((line) => line.trim().startsWith('at ')).length).toBeGreaterThan(2)
    expect(lines).toContain('Error: the cause')
  })
})

describe('exit codes', () => {
  test.each<[ErrorCode, number]>([
    ['bad_connection', 2],
    ['bad_option', 2],
    ['connect_failed', 1],
    ['connection_lost', 1],
    ['wal_level', 1],
    ['publication_missing', 1],
    ['slot_active', 1],
    ['slot_exists', 3],
    ['slot_lost', 3],
    ['gap', 3],
    ['position_ahead', 3],
    ['other_system', 3],
    ['checkpoint_start', 2],
    ['output_shorter', 3],
    ['checkpoint_locked', 1],
  ])('%s is %i', (code, exitCode) => {
    expect(exitCodeOf(new WalwireError(code, parts))).toBe(exitCode)
  })

  test('whatever has to do with a position is a decision, and not left to the default', () => {
    const decided = Object.keys(errorCodes).filter((code) => /^(position|other)_/.test(code))
    for (const code of decided) expect([...lostCodes]).toContain(code)
    for (const code of lostCodes) expect(errorCodes[code].retryable).toBe(false)
    for (const code of usageCodes) expect(errorCodes[code].retryable).toBe(false)
  })

  test("the command's own, and what nobody foresaw", () => {
    expect(exitCodeOf(new CommandError('server_failed', parts))).toBe(1)
    expect(exitCodeOf(new CommandError('package_missing', parts))).toBe(2)
    expect(exitCodeOf(new Error('x'))).toBe(1)
    expect(Object.keys(commandErrorCodes).filter((code) => code in errorCodes)).toEqual([])
  })
})

describe('diagnostics', () => {
  const written = (level: 'error' | 'info' | 'debug') => {
    const lines: string[] = []
    return { lines, diagnostics: plainDiagnostics(level, (text) => lines.push(text)) }
  }

  test('readable lines, as loud as asked for', () => {
    const { lines, diagnostics } = written('info')
    diagnostics.logger.debug({}, 'a detail')
    diagnostics.logger.info({ table: 'public.orders', rows: 5, lsn: undefined, at: 7n }, 'snapshot finished')
    diagnostics.logger.warn({ error: new Error('x') }, 'several\nlines')
    expect(lines).toEqual([
      'info  snapshot finished (table: public.orders, rows: 5, at: 7)\n',
      'warn  several lines (error: x)\n',
    ])
  })

  test('an error is said at every level, its stack at debug alone', () => {
    for (const level of ['error', 'info'] as const) {
      const { lines, diagnostics } = written(level)
      diagnostics.fail(new WalwireError('slot_lost', parts))
      expect(lines).toHaveLength(3)
    }
    const { lines, diagnostics } = written('debug')
    diagnostics.fail(new WalwireError('slot_lost', parts))
    expect(lines.length).toBeGreaterThan(5)
  })

  test('--log json without pino says how to get it, and is wrong usage', async () => {
    const missing = () => Promise.reject(new Error("Cannot find package 'pino'"))
    const failing = jsonDiagnostics('info', missing)
    await expect(failing).rejects.toThrow(
      expect.objectContaining({ code: 'package_missing', hint: 'npm install pino' }),
    )
    expect(exitCodeOf(await failing.catch((error: unknown) => error))).toBe(2)
  })
})

test('what the system says of a file, without the path again', () => {
  expect(systemReason(new Error("ENOENT: no such file or directory, open '/a, b/c'"))).toBe(
    'ENOENT: no such file or directory',
  )
  expect(systemReason(new Error("EXDEV: cross-device link not permitted, rename '/a' -> '/b'"))).toBe(
    'EXDEV: cross-device link not permitted',
  )
  expect(systemReason(new Error('ENOSPC: no space left on device, write'))).toBe('ENOSPC: no space left on device')
})
