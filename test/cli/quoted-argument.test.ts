import { describe, expect, test } from 'vitest'
import { oneOf, readDuration } from '../../src/cli/arguments.ts'
import { quotedArgument } from '../../src/cli/quoted-argument.ts'

describe('an argument that is quoted in an error', () => {
  test.each(['postgres://ada:hunter2@host/db', 'host=h password=hunter2', 'ada:hunter2@host'])(
    'is not shown where it may hold a password: %s',
    (text) => {
      expect(quotedArgument(text)).not.toContain('hunter2')
      expect(() => oneOf('format', text, ['jsonl'])).not.toThrow('hunter2')
      expect(() => readDuration('duration', text)).not.toThrow('hunter2')
    },
  )

  test('is shown otherwise', () => {
    expect(quotedArgument('jsnol')).toBe('"jsnol"')
  })
})
