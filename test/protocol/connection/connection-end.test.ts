import dns from 'node:dns'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  bytes,
  copyData,
  copyOut,
  dataRow,
  fatal,
  message,
  parameterStatus,
  readyForQuery,
} from '../messages/server-messages.ts'
import { openOver, openTo } from './connecting.ts'
import { type FirstMessage, fakeServer } from './fake-server.ts'
import { session, socketSession } from './sessions.ts'

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

  test('is noticed at once although reading was held back', async () => {
    const server = await fakeServer(async (peer) => {
      await peer.welcome()
      await peer.message()
      peer.send(copyOut(), copyData('x'.repeat(3_000_000)), copyData('y'.repeat(3_000_000)))
      await peer.message()
    })
    const connection = await openTo(server.port, {}, { maxBufferedBytes: 1000 })
    await connection.copy('copy')
    while (!connection.framer.next()) await connection.more()
    const begun = performance.now()
    await connection.close(20_000)
    expect(performance.now() - begun).toBeLessThan(5_000)
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
      else {
        peer.send(Buffer.concat([message('R', 0), message('K', 77, bytes('key!')), readyForQuery()]))
        await peer.lookedAt()
        await peer.gone()
      }
    })
    const connection = await openTo(server.port)
    await connection.cancel()
    expect(cancels).toEqual([{ kind: 'cancel', processId: 77, secretKey: Buffer.from('key!') }])
    await connection.close()
  })

  test('takes the way of its connection: to the same address, though its name has another by now, and as unencrypted', async () => {
    const firsts: FirstMessage['kind'][] = []
    await using server = await fakeServer(async (peer) => {
      const first = await peer.first()
      firsts.push(first.kind)
      if (first.kind !== 'ssl') return
      peer.send(Buffer.from('N'))
      await peer.welcome()
      await peer.gone()
    })
    const addresses = ['127.0.0.1', '127.0.0.99']
    const lookup = vi.spyOn(dns, 'lookup').mockImplementation((...given: unknown[]) => {
      const answer = given.at(-1)
      if (typeof answer === 'function') answer(null, [{ address: addresses.shift() ?? '', family: 4 }])
    })
    onTestFinished(() => lookup.mockRestore())
    const connection = await openTo(server.port, { host: 'db.walwire.test', sslmode: 'prefer' })
    await connection.cancel()
    expect(firsts).toEqual(['ssl', 'cancel'])
    expect(addresses).toEqual(['127.0.0.99'])
    await connection.close()
  })

  test('is impossible without a key', async () => {
    const connection = await openOver(async (peer) => {
      await peer.startup()
      peer.send(message('R', 0), readyForQuery())
      await peer.lookedAt()
      await peer.gone()
    })
    await expect(connection.cancel()).rejects.toMatchObject({ code: 'server_error' })
    await connection.close()
  })
})
