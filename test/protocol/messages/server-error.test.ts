import { describe, expect, test } from 'vitest'
import type { ErrorFields } from '../../../src/protocol/messages/error-fields.ts'
import { errorFieldsOf, isFatal, PostgresError, serverError } from '../../../src/protocol/messages/server-error.ts'

const fields = (given: Partial<ErrorFields>): ErrorFields => ({
  severity: 'ERROR',
  severityNonlocalized: 'ERROR',
  code: 'XX000',
  message: 'something',
  detail: undefined,
  hint: undefined,
  position: undefined,
  internalPosition: undefined,
  internalQuery: undefined,
  where: undefined,
  schema: undefined,
  table: undefined,
  column: undefined,
  dataType: undefined,
  constraint: undefined,
  file: undefined,
  line: undefined,
  routine: undefined,
  ...given,
})

describe('an error of the server', () => {
  test('says in one line what it said in several fields', () => {
    const error = serverError(
      'no slot was made',
      fields({ code: '55000', message: 'a\nb', detail: 'why', where: 'slot "s", output plugin "pgoutput"' }),
      'session',
    )
    expect(error).toMatchObject({
      code: 'server_error',
      message: 'no slot was made: ERROR 55000: a; b; why; slot "s", output plugin "pgoutput"',
      sqlstate: '55000',
    })
  })

  test('keeps everything that the server said as its cause', () => {
    const said = fields({ code: '42704', routine: 'get_publication_oid' })
    const error = serverError('x', said, 'session')
    expect(error.cause).toBeInstanceOf(PostgresError)
    expect(errorFieldsOf(error)).toBe(said)
    expect(errorFieldsOf(new Error('x'))).toBe(undefined)
    expect(errorFieldsOf(undefined)).toBe(undefined)
  })

  test.each([
    ['FATAL', 'FATAL', true],
    ['SCHWERWIEGEND', 'FATAL', true],
    ['PANIC', undefined, true],
    ['FEHLER', 'ERROR', false],
    ['ERROR', undefined, false],
  ])('of severity %s (%s) is fatal: %s', (severity, severityNonlocalized, fatal) => {
    expect(isFatal(fields({ severity, severityNonlocalized }))).toBe(fatal)
  })

  test.each([
    ['28000', 'startup', 'auth_failed'],
    ['28000', 'session', 'server_error'],
    ['3D000', 'startup', 'database_missing'],
    ['3D000', 'session', 'server_error'],
    ['42501', 'startup', 'not_permitted'],
    ['42501', 'session', 'server_error'],
    ['57P01', 'startup', 'server_stopping'],
    ['57P01', 'session', 'server_stopping'],
    ['57P03', 'startup', 'server_not_ready'],
    ['53300', 'session', 'too_many_connections'],
  ] as const)('%s in the %s is %s', (code, during, expected) => {
    expect(serverError('x', fields({ code }), during).code).toBe(expected)
  })

  test('has the hint of who knows best', () => {
    expect(serverError('x', fields({ hint: 'theirs' }), 'session', 'ours').hint).toBe('ours')
    expect(serverError('x', fields({ hint: 'theirs' }), 'session').hint).toBe('theirs')
    expect(serverError('x', fields({}), 'session').hint).toMatch(/SQLSTATE/)
  })

  test('says which setting ends sessions before they can set their own', () => {
    expect(serverError('x', fields({ code: '25P04' }), 'session').hint).toMatch(/transaction_timeout/)
  })
})
