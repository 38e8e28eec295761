import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { errorFieldsOf } from '../../../src/protocol/messages/server-error.ts'
import {
  commandComplete,
  copyBoth,
  copyData,
  copyDone,
  copyOut,
  dataRow,
  error,
  errorResponse,
  fatal,
  int8,
  int16,
  message,
  noticeResponse,
  parameterStatus,
  readyForQuery,
  rowDescription,
} from '../messages/server-messages.ts'
import { session } from './sessions.ts'

describe('a query', () => {
  test('gives every result set, and NULL as null', async () => {
    const connection = await session(async (peer) => {
      expect(await peer.text('Q')).toBe('select 1; ; update t')
      peer.send(
        rowDescription('a', 'b'),
        dataRow('1', null),
        dataRow('', 'ü'),
        commandComplete('SELECT 2'),
        message('I'),
        commandComplete('UPDATE 0'),
        readyForQuery(),
      )
    })
    expect(await connection.query('select 1; ; update t')).toEqual([
      {
        columns: ['a', 'b'],
        rows: [
          ['1', null],
          ['', 'ü'],
        ],
        command: 'SELECT 2',
      },
      { columns: [], rows: [], command: '' },
      { columns: [], rows: [], command: 'UPDATE 0' },
    ])
    await connection.close()
  })

  test('waits for the one before it', async () => {
    const asked: string[] = []
    const connection = await session(async (peer) => {
      for (let count = 0; count < 3; count++) {
        asked.push(await peer.text('Q'))
        await turn()
        // nothing else came while this one was not answered
        expect(asked.length).toBe(count + 1)
        peer.send(commandComplete(`C ${count}`), readyForQuery())
      }
    })
    const results = await Promise.all(['a', 'b', 'c'].map((sql) => connection.query(sql)))
    expect(results.map(([result]) => result?.command)).toEqual(['C 0', 'C 1', 'C 2'])
    expect(asked).toEqual(['a', 'b', 'c'])
    await connection.close()
  })

  test('that the server refuses is an error, and the connection can be used again', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(
        rowDescription('a'),
        dataRow('1'),
        errorResponse({
          S: 'FEHLER',
          V: 'ERROR',
          C: '23505',
          M: 'doppelt',
          D: 'Schlüssel',
          H: 'anders',
          s: 'public',
          t: 'orders',
          c: 'id',
        }),
        readyForQuery(),
      )
      await peer.message()
      peer.send(commandComplete('SELECT 0'), readyForQuery())
    })
    const failing = connection.query('insert')
    await expect(failing).rejects.toMatchObject({
      code: 'server_error',
      sqlstate: '23505',
      why: 'ERROR 23505: doppelt; Schlüssel',
      hint: 'anders',
      table: 'public.orders',
      column: 'id',
      retryable: false,
    })
    await failing.catch((failure) => expect(errorFieldsOf(failure)?.severity).toBe('FEHLER'))
    expect(await connection.query('select')).toHaveLength(1)
    await connection.close()
  })

  test.each([
    ['57014', 'cancelled', false],
    ['40001', 'server_error', true],
    ['40P01', 'server_error', true],
    ['55P03', 'server_error', true],
    ['53100', 'server_error', true],
    ['42P01', 'server_error', false],
  ] as const)('refused with %s is %s', async (sqlstate, code, retryable) => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(error(sqlstate, 'no'), readyForQuery())
    })
    await expect(connection.query('x')).rejects.toMatchObject({ code, retryable, sqlstate })
    await connection.close()
  })

  test('that ends the session fails with what the server said', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(fatal('57P01', 'terminating connection due to administrator command'))
      peer.end()
    })
    await expect(connection.query('x')).rejects.toMatchObject({ code: 'server_stopping' })
    expect((await connection.ended).code).toBe('server_stopping')
    await expect(connection.query('y')).rejects.toMatchObject({ code: 'server_stopping' })
  })

  test('that the server does not answer fails when the connection is lost', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.end()
    })
    await expect(connection.query('x')).rejects.toMatchObject({ code: 'connection_lost', retryable: true })
  })

  test('takes notices and parameters on the way', async () => {
    const notices: string[] = []
    const connection = await session(
      async (peer) => {
        await peer.message()
        peer.send(
          noticeResponse({ S: 'NOTICE', C: '00000', M: 'hear ye' }),
          parameterStatus('TimeZone', 'UTC'),
          message('A', 1, 'channel', 'payload'),
          commandComplete('SET'),
          readyForQuery(),
        )
      },
      { onNotice: (notice) => notices.push(notice.message) },
    )
    expect(await connection.query('x')).toHaveLength(1)
    expect(notices).toEqual(['hear ye'])
    expect(connection.parameters.get('TimeZone')).toBe('UTC')
    await connection.close()
  })

  test('with bytes that are not UTF-8 fails, and the connection can be used again', async () => {
    const answer = [rowDescription('a'), dataRow(Uint8Array.of(0xff)), commandComplete('SELECT 1'), readyForQuery()]
    const connection = await session(async (peer) => {
      for (let count = 0; count < 2; count++) {
        await peer.message()
        peer.send(...answer)
      }
    })
    await expect(connection.query('x')).rejects.toMatchObject({ code: 'invalid_text' })
    expect((await connection.queryBytes('x'))[0]?.rows).toEqual([[Uint8Array.of(0xff)]])
    await connection.close()
  })

  test('with a zero byte is refused before it is sent', async () => {
    const connection = await session(async (peer) => {
      expect(await peer.text('Q')).toBe('good')
      peer.send(commandComplete('X'), readyForQuery())
    })
    await expect(connection.query('bad\0')).rejects.toMatchObject({ code: 'bad_option' })
    expect(await connection.query('good')).toHaveLength(1)
    await connection.close()
  })

  test.each<[string, Uint8Array[], string]>([
    ['to the client', [copyOut(), copyData('x'), copyDone, commandComplete('COPY 1')], ''],
    ['from the client', [message('G', int8(0), int16(0))], 'f'],
    ['in both directions', [copyBoth], 'c'],
  ])('that begins a copy %s is refused, and the connection can be used again', async (_, begin, answer) => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(...begin)
      if (answer) expect((await peer.message()).tag).toBe(answer)
      if (answer === 'f') peer.send(error('57014', 'COPY from stdin failed'))
      if (answer === 'c') peer.send(copyData('still'), copyDone, commandComplete('COPY 0'))
      peer.send(readyForQuery())
      await peer.message()
      peer.send(commandComplete('SELECT 0'), readyForQuery())
    })
    await expect(connection.query('copy')).rejects.toMatchObject({ code: 'bad_option' })
    expect(await connection.query('select')).toHaveLength(1)
    await connection.close()
  })

  test.each<[string, Uint8Array]>([
    ['a message that is not known', message('?')],
    ['a message out of order', copyData('x')],
    ['authentication in the middle', message('R', 0)],
    ['a malformed row', message('D', int16(7))],
    ['a length that cannot be', Buffer.from([0x44, 0, 0, 0, 1])],
  ])('answered with %s ends the connection', async (_, sent) => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(sent, commandComplete('X'), readyForQuery())
    })
    await expect(connection.query('x')).rejects.toMatchObject({ code: 'protocol_violation' })
    expect((await connection.ended).code).toBe('protocol_violation')
  })

  test('may have an answer of more than the startup’s limit', async () => {
    const value = 'x'.repeat(3_000_000)
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(rowDescription('a'), dataRow(value), commandComplete('SELECT 1'), readyForQuery())
    })
    expect((await connection.query('x'))[0]?.rows).toEqual([[value]])
    await connection.close()
  })

  test('with a limit that is never answered, nor after it was cancelled, gives the connection up', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
    })
    const failure = { code: 'connection_lost', retryable: true }
    await expect(connection.query('x', { limitMs: 5 })).rejects.toMatchObject(failure)
    expect(await connection.ended).toMatchObject({
      ...failure,
      why: expect.stringContaining('no answer came to a query'),
    })
  })
})
