import { inject } from 'vitest'
import { type ServerAddress, type SharedServer, sharedServerAt } from './server.ts'

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
  return sharedServerAt(answer.address)
}
