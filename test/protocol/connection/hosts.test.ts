import { describe, expect, test } from 'vitest'
import type { Endpoint, ResolvedHost, TargetSessionAttrs } from '../../../src/protocol/connection/connection-options.ts'
import { reach } from '../../../src/protocol/connection/reach.ts'
import { Unreached } from '../../../src/protocol/connection/socket.ts'
import { misses, type Target } from '../../../src/protocol/connection/target-session.ts'
import { type ErrorCode, WalwireError } from '../../../src/protocol/messages/errors.ts'
import { resolved } from './connecting.ts'
import { fakeServer } from './fake-server.ts'
import { resolve } from './worlds.ts'

const places = async (...given: Parameters<typeof resolve>) => (await resolve(...given)).hosts.map(({ place }) => place)

describe('a list of hosts', () => {
  test.each<[string, Parameters<typeof resolve>[0], Record<string, string>, string[]]>([
    ['in a URI', 'postgres://a:1,[::2]:2/d', {}, ['a:1', '[::2]:2']],
    ['without ports', 'postgres://a,b/d', {}, ['a:5432', 'b:5432']],
    ['with a port for one', 'postgres://a,b:7/d', {}, ['a:5432', 'b:7']],
    ['with one port for all', { host: 'a,b', port: 9 }, {}, ['a:9', 'b:9']],
    ['with a socket', { host: '/run,b', port: '1,2' }, {}, ['/run/.s.PGSQL.1', 'b:2']],
    ['with a gap', { host: 'a,,c' }, {}, ['a:5432', 'localhost:5432', 'c:5432']],
    ['of addresses', { hostaddr: '10.0.0.1,10.0.0.2', port: '1,2' }, {}, ['10.0.0.1:1', '10.0.0.2:2']],
    ['from the environment', {}, { PGHOST: 'a,b', PGPORT: '1,2' }, ['a:1', 'b:2']],
  ])('%s', async (_, input, env, expected) => expect(await places(input, { env })).toEqual(expected))

  test('has a password, a name to verify and a description each', async () => {
    const files = { '/home/me/.pgpass': 'a:*:*:*:one\nb:*:*:*:two' }
    const { hosts } = await resolve('postgres://u@a,b/d?sslmode=verify-full&sslrootcert=system', { files })
    expect(await Promise.all(hosts.map(({ password }) => password()))).toEqual(['one', 'two'])
    expect(hosts.map(({ tls }) => tls?.servername)).toEqual(['a', 'b'])
    expect(hosts.map(({ description }) => description)).toEqual(['u@a:5432/d', 'u@b:5432/d'])
  })
})

test.each<[Target, boolean, boolean, boolean, boolean]>([
  ['any', true, true, true, true],
  ['primary', true, true, false, false],
  ['standby', false, false, true, true],
  ['read-write', true, false, false, false],
  ['read-only', false, true, true, true],
])('target_session_attrs=%s takes a primary: %s, a read-only one: %s, a standby: %s, %s', (target, ...takes) => {
  const kinds = ['off off', 'off on', 'on off', 'on on'].map((kind) => kind.split(' '))
  const taken = kinds.map(([standby = '', readOnly = '']) => {
    const reported = [['in_hot_standby', standby] as const, ['default_transaction_read_only', readOnly] as const]
    return misses(target, new Map(reported)) === undefined
  })
  expect(taken).toEqual(takes)
  expect(misses(target, new Map()) === undefined).toBe(target === 'any')
})

/** Tries hosts by what each address does: a code is a failure, `gone` one without a server, `primary` and `standby` answer. */
async function tried(world: Record<string, string[]>, targetSessionAttrs: TargetSessionAttrs = 'any') {
  const host = (name: string): ResolvedHost => ({
    endpoint: { kind: 'tcp', host: name, port: 1 },
    place: `${name}:1`,
    description: `u@${name}:1/d`,
    password: async () => undefined,
    sslmode: 'disable',
    tls: undefined,
  })
  const [first = '', ...others] = Object.keys(world)
  const order: string[] = []
  const failure = (code: ErrorCode) => new WalwireError(code, { what: 'w', why: code, hint: `mend ${code}` })
  const outcome = await reach<string>(
    { hosts: [host(first), ...others.map(host)], description: 'u@all/d', targetSessionAttrs },
    {
      lookUp: async ({ endpoint }): Promise<Endpoint[]> => {
        const name = endpoint.kind === 'tcp' ? endpoint.host : ''
        return (world[name] ?? []).map((does, index) => ({ kind: 'tcp', host: `${name}.${index} ${does}`, port: 1 }))
      },
      open: async ({ endpoint, target }) => {
        const [address = '', does = ''] = endpoint.kind === 'tcp' ? endpoint.host.split(' ') : []
        order.push(address)
        if (does === 'gone') throw new Unreached('connect_failed', { what: 'w', why: 'gone', hint: 'h' })
        if (does === 'late') throw failure('connect_timeout')
        if (does === 'starting') throw failure('server_not_ready')
        if (does === 'refused') throw failure('auth_failed')
        if (does === 'broken') throw failure('connect_failed')
        const parameters = new Map([['in_hot_standby', does === 'standby' ? 'on' : 'off']])
        if (misses(target, parameters) !== undefined) throw failure('target_not_met')
        return address
      },
    },
  ).catch((error: unknown) => error)
  return { order, outcome }
}

describe('hosts are tried in turn', () => {
  test.each<[string, Record<string, string[]>, TargetSessionAttrs, string[], string | ErrorCode]>([
    ['the first that answers', { a: ['primary'], b: ['primary'] }, 'any', ['a.0'], 'a.0'],
    ['past addresses without a server', { a: ['gone', 'late', 'primary'] }, 'any', ['a.0', 'a.1', 'a.2'], 'a.2'],
    ['past a server that starts', { a: ['starting', 'primary'], b: ['primary'] }, 'any', ['a.0', 'b.0'], 'b.0'],
    ['past a standby', { a: ['standby', 'primary'], b: ['primary'] }, 'primary', ['a.0', 'b.0'], 'b.0'],
    ['to a standby first', { a: ['primary'], b: ['standby'] }, 'prefer-standby', ['a.0', 'b.0'], 'b.0'],
    ['to any then', { a: ['gone'], b: ['primary'] }, 'prefer-standby', ['a.0', 'b.0', 'a.0', 'b.0'], 'b.0'],
    ['not past a refused password', { a: ['refused'], b: ['primary'] }, 'any', ['a.0'], 'auth_failed'],
    ['not past a server that broke off', { a: ['broken'], b: ['primary'] }, 'any', ['a.0'], 'connect_failed'],
    ['to no end', { a: ['gone'], b: ['standby'] }, 'primary', ['a.0', 'b.0'], 'target_not_met'],
  ])('%s', async (_, world, target, order, expected) => {
    const found = await tried(world, target)
    expect(found.order).toEqual(order)
    if (found.outcome instanceof WalwireError) expect(found.outcome.code).toBe(expected)
    else expect(found.outcome).toBe(expected)
  })

  test('and an error names each with its reason, and can be tried again if any can', async () => {
    const { outcome } = await tried({ a: ['gone'], b: ['refused'] })
    expect(outcome).toMatchObject({ code: 'auth_failed', hint: 'mend auth_failed', retryable: true })
    expect(outcome).toMatchObject({ why: 'a:1 (a.0 gone): gone; b:1 (b.0 refused): auth_failed' })
  })
})

test('a host where nothing listens is passed over for one that is there, over sockets', async () => {
  await using server = await fakeServer(async (peer) => void (await peer.welcome()))
  const { Connection } = await import('../../../src/protocol/connection/connection.ts')
  const connection = await Connection.open(
    await resolved({ host: '127.0.0.1,127.0.0.1', port: `1,${server.port}`, password: 'hunter2' }),
  )
  expect(connection.reached.description).toContain(`:${server.port}/`)
  connection.destroy()
})
