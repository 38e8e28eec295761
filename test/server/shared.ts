import { inject } from 'vitest'
import { type ServerAddress, type SharedServer, sharedServerAt } from './server.ts'
import { dropDatabase } from './sql.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the main process of the test run answers with the shared server of a version. */
    sharedServersPort: number
    /** The server of WALWIRE_TEST_SERVER where that is a URI. */
    givenServer: ServerAddress
  }
}

export type BrokerAnswer = { readonly address: ServerAddress } | { readonly error: string }

/**
 * The server that all tests of this run share, one per version, booted when first asked for.
 * Make a database of your own on it; boot an own server to hold transactions open, restart or reconfigure.
 */
export async function sharedServer(version = 17): Promise<SharedServer> {
  const response = await fetch(`http://127.0.0.1:${inject('sharedServersPort')}/${version}`)
  const answer: BrokerAnswer = JSON.parse(await response.text())
  if ('error' in answer) throw new Error(answer.error)
  const server = sharedServerAt(answer.address)
  return {
    ...server,
    async createDatabase(options) {
      const uri = await server.createDatabase(options)
      created.push({ server, uri })
      return uri
    },
  }
}

const created: { readonly server: SharedServer; readonly uri: string }[] = []

/**
 * Drops what this file's tests made, with what is still connected to it: a run makes hundreds of databases of 8 MB, and the
 * servers' data is in memory.
 */
export async function dropCreatedDatabases(): Promise<void> {
  for (const { server, uri } of created.splice(0)) await dropDatabase(server.uri(), uri)
}
