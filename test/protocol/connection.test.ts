import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { backendTag } from '../../src/protocol/backend.ts'
import type { Connection, OpenOptions } from '../../src/protocol/connection.ts'
import { errorFieldsOf } from '../../src/protocol/server-error.ts'
import { openOver, openTo } from './connecting.ts'
import { fakeServer, type Peer } from './fake-server.ts'
import {
  bytes,
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
} from './server-messages.ts'

/** A connection to a server that has let it in and then does this. */
async function session(script: (peer: Peer) => Promise<void> | void, options: OpenOptions = {}): Promise<Connection> {
  return openOver(async (peer) => {
    await peer.welcome()
    await script(peer)
    await peer.gone()
  }, options)
}

/** The same over TCP, for what only a socket does. */
async function socketSession(script: (peer: Peer) => Promise<void> | void) {
  const server = await fakeServer(async (peer) => {
    await peer.welcome()
    await script(peer)
    await peer.gone()
  })
  return { server, connection: await openTo(server.port) }
}

/** Everything that a copy gives, as text, until it ends. */
async function pull(connection: Connection): Promise<string[]> {
  const { framer } = connection
  const rows: string[] = []
  do {
    while (framer.next()) {
      if (framer.tag === backendTag.CopyData) {
        rows.push(Buffer.from(framer.bytes.subarray(framer.start, framer.end)).toString())
      } else {
        const side = connection.sideMessage()
        if (side !== 'handled') return [...rows, side]
      }
    }
  } while (await connection.more())
  return [...rows, connection.failure?.code ?? 'over without a failure']
}

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
})

describe('a copy', () => {
  test('to the client is pulled, and then the connection can be used again', async () => {
    const connection = await session(async (peer) => {
      expect(await peer.text('Q')).toBe('copy t to stdout')
      peer.send(copyOut(), copyData('1'))
      await turn()
      peer.send(
        noticeResponse({ S: 'NOTICE', M: 'x' }),
        copyData('2'),
        copyDone,
        commandComplete('COPY 2'),
        readyForQuery(),
      )
      await peer.message()
      peer.send(commandComplete('SELECT 0'), readyForQuery())
    })
    expect(await connection.copy('copy t to stdout')).toBe('out')
    expect(await pull(connection)).toEqual(['1', '2', 'done'])
    expect(await connection.endCopy()).toEqual(['COPY 2'])
    expect(await connection.endCopy()).toEqual([])
    expect(await connection.query('select')).toHaveLength(1)
    await connection.close()
  })

  test('in both directions is ended by either side, and data may follow the server’s end', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(copyBoth, copyData('1'))
      expect((await peer.message()).tag).toBe('d')
      expect((await peer.message()).tag).toBe('c')
      peer.send(
        copyData('2'),
        copyDone,
        copyData('a keepalive behind the end'),
        commandComplete('COPY 0'),
        commandComplete('START_REPLICATION'),
        readyForQuery(),
      )
      await peer.message()
      peer.send(commandComplete('SELECT 0'), readyForQuery())
    })
    expect(await connection.copy('START_REPLICATION')).toBe('both')
    connection.write(copyData('status'))
    connection.sendCopyDone()
    connection.sendCopyDone()
    expect(await pull(connection)).toEqual(['1', '2', 'done'])
    expect(await connection.endCopy()).toEqual(['COPY 0', 'START_REPLICATION'])
    expect(await connection.query('select')).toHaveLength(1)
    await connection.close()
  })

  test('is ended by endCopy alone, whatever still comes', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(copyBoth)
      for (let count = 0; count < 100; count++) peer.send(copyData('x'.repeat(10_000)))
      expect((await peer.message()).tag).toBe('c')
      peer.send(copyDone, commandComplete('COPY 0'), readyForQuery())
    })
    await connection.copy('START_REPLICATION')
    expect(await connection.endCopy()).toEqual(['COPY 0'])
    await connection.close()
  })

  test('that fails throws the server’s error, and the connection can be used again', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(copyBoth, copyData('1'), error('42704', 'publication "p" does not exist'), readyForQuery())
      await peer.message()
      peer.send(commandComplete('SELECT 0'), readyForQuery())
    })
    await connection.copy('START_REPLICATION')
    await expect(pull(connection)).rejects.toMatchObject({ code: 'server_error', sqlstate: '42704' })
    expect(await connection.endCopy()).toEqual([])
    expect(await connection.query('select')).toHaveLength(1)
    await connection.close()
  })

  test('that fails while it is being ended throws from there', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(copyOut(), copyData('1'), error('57014', 'canceled'), readyForQuery())
    })
    await connection.copy('copy')
    await expect(connection.endCopy()).rejects.toMatchObject({ code: 'cancelled' })
    await connection.close()
  })

  test('that does not begin is an error, and the connection can be used again', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(error('55006', 'replication slot "s" is active for PID 1'), readyForQuery())
      await peer.message()
      peer.send(rowDescription('a'), dataRow('1'), commandComplete('SELECT 1'), readyForQuery())
      await peer.message()
      peer.send(commandComplete('SELECT 0'), readyForQuery())
    })
    await expect(connection.copy('START_REPLICATION')).rejects.toMatchObject({ sqlstate: '55006' })
    await expect(connection.copy('select 1')).rejects.toMatchObject({ code: 'bad_option' })
    expect(await connection.query('select')).toHaveLength(1)
    await connection.close()
  })

  test('holds up no query for ever: it is refused', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(copyOut())
    })
    await connection.copy('copy')
    await expect(connection.query('select 1')).rejects.toMatchObject({ code: 'bad_option' })
    await expect(connection.copy('copy')).rejects.toMatchObject({ code: 'bad_option' })
    connection.destroy()
  })

  test('of a server that is stopping ends without CopyDone and without a goodbye', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(copyBoth, copyData('1'), commandComplete('COPY 0'))
      peer.end()
    })
    await connection.copy('START_REPLICATION')
    expect(await pull(connection)).toEqual(['1', 'complete'])
    await expect(connection.endCopy()).rejects.toMatchObject({ code: 'connection_lost' })
  })

  test('gives all rows that came before the connection was lost', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(copyBoth, copyData('1'), copyData('2'), copyData('cut off').subarray(0, 8))
      peer.end()
    })
    await connection.copy('START_REPLICATION')
    expect(await pull(connection)).toEqual(['1', '2', 'connection_lost'])
  })

  test('says in ended why the server left, even while nobody pulls', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(copyBoth, copyData('1'), fatal('57P01', 'terminating connection due to administrator command'))
      peer.end()
    })
    await connection.copy('START_REPLICATION')
    expect(await connection.ended).toMatchObject({ code: 'server_stopping', sqlstate: '57P01' })
    // and what came before is still there
    await expect(pull(connection)).rejects.toMatchObject({ code: 'server_stopping' })
  })

  test('reads no further than it may while nobody pulls, and then everything', async () => {
    const rows = 400
    const sent: number[] = []
    const connection = await session(
      async (peer) => {
        await peer.message()
        peer.send(copyOut())
        for (let row = 0; row < rows; row++) {
          await peer.sendAlone(copyData(String(row).padEnd(10_000)))
          sent.push(row)
        }
        peer.send(copyDone, commandComplete(`COPY ${rows}`), readyForQuery())
      },
      { maxBufferedBytes: 100_000 },
    )
    await connection.copy('copy')
    for (let count = 0; count < 100; count++) await turn()
    expect(connection.framer.buffered).toBeLessThan(200_000)
    expect(sent.length).toBeLessThan(40)
    const got = await pull(connection)
    expect(got.slice(0, -1).map(Number)).toEqual(Array.from({ length: rows }, (_, row) => row))
    await connection.endCopy()
    await connection.close()
  })

  test('refuses a message that must not come in it', async () => {
    const connection = await session(async (peer) => {
      await peer.message()
      peer.send(copyOut(), dataRow('x'))
    })
    await connection.copy('copy')
    await expect(pull(connection)).rejects.toMatchObject({ code: 'protocol_violation' })
    connection.destroy()
  })
})

describe('an idle connection', () => {
  test.each([
    ['57P01', 'server_stopping'],
    ['57P02', 'server_stopping'],
    ['57P05', 'connection_lost'],
    ['XX000', 'server_error'],
  ] as const)('notices by itself that the server ended it with %s', async (sqlstate, code) => {
    const { server, connection } = await socketSession(async (peer) => {
      await turn()
      peer.send(fatal(sqlstate, 'the end'))
      peer.end()
    })
    expect(await connection.ended).toMatchObject({ code, sqlstate })
    expect(connection.failure?.code).toBe(code)
    await connection.close()
    await server[Symbol.asyncDispose]()
  })

  test.each(['end', 'reset'] as const)('notices by itself that the server is gone: %s', async (way) => {
    const { server, connection } = await socketSession((peer) => peer[way]())
    expect(await connection.ended).toMatchObject({ code: 'connection_lost', retryable: true })
    expect(await connection.more()).toBe(false)
    await server[Symbol.asyncDispose]()
  })

  test('keeps its parameters up to date', async () => {
    const connection = await session((peer) => peer.send(parameterStatus('in_hot_standby', 'off')))
    await expect.poll(() => connection.parameters.get('in_hot_standby')).toBe('off')
    await connection.close()
  })

  test.each<[string, Uint8Array]>([
    ['a message out of order', dataRow('x')],
    ['a second end of the startup', readyForQuery()],
    ['no message at all', bytes('HTTP/1.1 400')],
  ])('ends when the server sends %s', async (_, sent) => {
    const connection = await session((peer) => peer.send(sent))
    expect(await connection.ended).toMatchObject({ code: 'protocol_violation' })
  })

  test('does nothing with what is written after the end', async () => {
    const connection = await session((peer) => peer.end())
    await connection.ended
    expect(() => connection.write(copyData('x'))).not.toThrow()
    expect(connection.unsent).toBe(0)
  })
})

describe('the end', () => {
  test('is said to the server, once, and waited for', async () => {
    const heard: string[] = []
    const { server, connection } = await socketSession(async (peer) => {
      heard.push((await peer.message()).tag)
    })
    await Promise.all([connection.close(), connection.close()])
    await connection.close()
    expect(await connection.ended).toMatchObject({ code: 'connection_closed', retryable: false })
    await expect(connection.query('x')).rejects.toMatchObject({ code: 'connection_closed' })
    await expect.poll(() => heard).toEqual(['X'])
    await server[Symbol.asyncDispose]()
  })

  test('comes by force when the server does not care', async () => {
    const { server, connection } = await socketSession(() => new Promise(() => {}))
    const begun = performance.now()
    await connection.close(50)
    expect(performance.now() - begun).toBeLessThan(1000)
    await server[Symbol.asyncDispose]()
  })

  test('comes also in the middle of a copy that nobody pulls', async () => {
    const { server, connection } = await socketSession(async (peer) => {
      await peer.message()
      peer.send(copyOut())
      while (true) await peer.sendAlone(copyData('x'.repeat(100_000)))
    })
    await connection.copy('copy')
    await connection.close(50)
    expect(await connection.more()).toBeDefined()
    expect((await connection.ended).code).toBe('connection_closed')
    await server[Symbol.asyncDispose]()
  })

  test('fails the query that was running', async () => {
    const connection = await session((peer) => peer.message().then(() => {}))
    const query = connection.query('select pg_sleep(1000)')
    await turn()
    connection.destroy()
    await expect(query).rejects.toMatchObject({ code: 'connection_closed' })
  })

  test('may have a reason, which then is the cause', async () => {
    const connection = await session(() => {})
    const cause = new Error('silent for too long')
    connection.destroy(cause)
    expect(await connection.ended).toMatchObject({ code: 'connection_lost', cause })
    await connection.close()
  })
})

describe('cancelling', () => {
  test('sends the key over a connection of its own', async () => {
    const cancels: unknown[] = []
    await using server = await fakeServer(async (peer) => {
      const first = await peer.first()
      if (first.kind === 'cancel') cancels.push(first)
      // the answer to the request for TLS
      if (first.kind !== 'ssl') return
      peer.send(Buffer.from('N'))
      const second = await peer.first()
      if (second.kind === 'cancel') cancels.push(second)
      else peer.send(Buffer.concat([message('R', 0), message('K', 77, bytes('key!')), readyForQuery()]))
      if (second.kind !== 'cancel') await peer.gone()
    })
    const connection = await openTo(server.port)
    await connection.cancel()
    expect(cancels).toEqual([{ kind: 'cancel', processId: 77, secretKey: Buffer.from('key!') }])
    await connection.close()
  })

  test('is impossible without a key', async () => {
    const connection = await openOver(async (peer) => {
      await peer.startup()
      peer.send(message('R', 0), readyForQuery())
      await peer.gone()
    })
    expect(connection.processId).toBe(0)
    await expect(connection.cancel()).rejects.toMatchObject({ code: 'server_error' })
    await connection.close()
  })
})
