import { once } from 'node:events'
import { createServer } from 'node:http'
import type { TestProject } from 'vitest/node'
import { bootServer } from './boot.ts'
import { removeLeftovers } from './folders.ts'
import { givenServer } from './given.ts'
import { provider } from './provider.ts'
import type { ServerAddress, TestServer } from './server.ts'
import type { BrokerAnswer } from './shared.ts'

/**
 * Runs in vitest's main process, so the shared servers end with the run and not with the worker that asked first.
 * Workers ask over HTTP, and a run that never asks boots nothing.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftovers()
  const booted = new Map<number, Promise<TestServer>>()
  const chosen = provider()
  const given = chosen.kind === 'given' ? await givenServer(chosen.uri) : undefined
  if (given) project.provide('givenServer', given)

  async function addressOf(version: number): Promise<ServerAddress> {
    if (given) {
      if (given.version === version) return given
      throw new Error(`a test asks for PostgreSQL ${version}; the server of WALWIRE_TEST_SERVER is ${given.version}`)
    }
    const server = booted.get(version) ?? bootServer({ version })
    booted.set(version, server)
    const { versionNum, host, port, superuser: name, password } = await server
    return { version, versionNum, host, port, name, password, parameters: {} }
  }

  const broker = createServer((request, response) => {
    addressOf(Number(request.url?.slice(1)))
      .then((address): BrokerAnswer => ({ address }))
      .catch((error): BrokerAnswer => ({ error: String(error) }))
      .then((answer) => response.end(JSON.stringify(answer)))
  })
  broker.listen(0, '127.0.0.1')
  await once(broker, 'listening')
  const address = broker.address()
  if (address === null || typeof address === 'string') throw new Error('the broker of shared servers has no port')
  project.provide('sharedServersPort', address.port)

  return async () => {
    broker.close()
    broker.closeAllConnections()
    const servers = await Promise.allSettled(booted.values())
    await Promise.all(
      servers.map(async (server) => server.status === 'fulfilled' && server.value[Symbol.asyncDispose]()),
    )
  }
}
