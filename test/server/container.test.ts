import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type ImitatedEngine, imitateEngine } from './imitated-engine.ts'
import { bootServer, testVersions, tlsFixtures } from './index.ts'
import { queryOnce } from './sql.ts'

vi.setConfig({ testTimeout: 120_000 })

const [version = 17] = testVersions()

let engine: ImitatedEngine
beforeAll(async () => {
  engine = await imitateEngine()
  vi.stubEnv('WALWIRE_TEST_SERVER', 'testcontainers')
  vi.stubEnv('DOCKER_HOST', engine.address)
  // the container that would clean up after us
  vi.stubEnv('TESTCONTAINERS_RYUK_DISABLED', 'true')
  vi.stubEnv('TESTCONTAINERS_HOST_OVERRIDE', '127.0.0.1')
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await engine[Symbol.asyncDispose]()
})

/*
 * testcontainers itself, talking to an engine that is imitated: no more of Docker is at hand everywhere. Whether the image
 * does what its entrypoint is told, only a real engine can say.
 */
test('a server in a container is what a local one is: settings, TLS, reload, restart, log, end', async () => {
  const server = await bootServer({ version, settings: { work_mem: '5MB' }, ssl: true })
  const [container] = engine.containers.values()
  expect(container?.creation).toMatchObject({
    Image: `postgres:${version}`,
    Entrypoint: ['sh', '-c'],
    HostConfig: { PortBindings: { '5432/tcp': [{ HostPort: String(server.port) }] } },
  })
  expect([...(container?.files.keys() ?? [])].sort()).toEqual(
    ['ca.crt', 'pg_hba.conf', 'postgresql.conf', 'server.crt', 'server.key'].map((file) => `/etc/walwire/${file}`),
  )
  expect(Math.floor(server.versionNum / 10_000)).toBe(version)
  expect(() => server.socketDir).toThrow('out of reach')
  expect(() => server.dataDir).toThrow('out of reach')

  const url = await server.createDatabase()
  expect(await queryOnce(url, 'SHOW work_mem')).toBe('5MB')
  expect(await queryOnce(url, 'SHOW wal_level')).toBe('logical')
  expect(container?.files.get('/etc/walwire/ca.crt')).toBe(tlsFixtures.ca.pem)
  await server.reload({ work_mem: '6MB' })
  expect(await queryOnce(url, 'SHOW work_mem')).toBe('6MB')
  await server.writeHba(['host all all all reject'])
  await expect(queryOnce(url, 'SELECT 1')).rejects.toThrow('pg_hba.conf rejects')
  await server.writeHba(['host all all all scram-sha-256'])

  for (const mode of ['smart', 'fast', 'immediate'] as const) {
    await server.restart(mode)
    expect(await queryOnce(url, 'SELECT 1')).toBe('1')
  }
  await server.stop()
  await expect(queryOnce(url, 'SELECT 1')).rejects.toThrow('ECONNREFUSED')
  await server.reload({ work_mem: '7MB' })
  await server.start()
  expect(await queryOnce(url, 'SHOW work_mem')).toBe('7MB')
  // of a server that goes on
  expect(await server.readLog()).toMatch(/^.*database system is ready to accept connections$/m)

  await server[Symbol.asyncDispose]()
  expect(engine.containers.size).toBe(0)
  expect(engine.unknown).toEqual([])
})

test('one that was stopped is removed', async () => {
  const server = await bootServer({ version })
  await server.stop('immediate')
  await server[Symbol.asyncDispose]()
  expect(engine.containers.size).toBe(0)
})
