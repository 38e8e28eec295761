import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import {
  commandComplete,
  copyBoth,
  copyData,
  copyDone,
  copyOut,
  dataRow,
  error,
  fatal,
  noticeResponse,
  readyForQuery,
  rowDescription,
} from '../messages/server-messages.ts'
import { pull, session } from './sessions.ts'

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
      // and not a second CopyDone
      expect((await peer.message()).tag).toBe('Q')
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
