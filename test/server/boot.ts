import { type Settings, scramHba } from '../../src/cli/embedded/server-files.ts'
import type { ServerPlan } from './host.ts'
import { bootLocal } from './local.ts'
import { provider } from './provider.ts'
import { type TestServer, testServerOn } from './server.ts'
import { tlsFixtures } from './tls/fixtures.ts'

export interface BootOptions {
  /** The major version. Default: 17. */
  readonly version?: number
  /** Added to the provider's own settings, and stronger than them. */
  readonly settings?: Settings
  /** The name of the first role. Default: `postgres`. */
  readonly superuser?: string
  /** Lines of pg_hba.conf. Default: SCRAM for everybody. */
  readonly hba?: readonly string[]
  /** True: TLS with a certificate for localhost and 127.0.0.1, signed by `tlsFixtures.ca`. Or another certificate, as PEM texts. */
  readonly ssl?: boolean | { readonly cert: string; readonly key: string }
}

/**
 * Boots a server of one's own and resolves when it takes connections. It ends with `await using`, or with this
 * process, however that ends.
 * @throws Error with the server's log where it does not start; with what to do where there is no server to boot.
 */
export async function bootServer(options: BootOptions = {}): Promise<TestServer> {
  const { version = 17, superuser = 'postgres', settings = {}, hba = scramHba, ssl = false } = options
  const { cert, key } = tlsFixtures.localhost
  const chain = ssl === true ? { cert: cert.pem, key: key.pem } : ssl
  const plan: ServerPlan = {
    version,
    superuser: { name: superuser, password: 'walwire' },
    settings,
    hba,
    tls: chain ? { ...chain, ca: tlsFixtures.ca.pem } : undefined,
  }
  const chosen = provider()
  switch (chosen.kind) {
    case 'binaries':
      return await testServerOn(await bootLocal(plan), plan)
    case 'testcontainers': {
      // Loaded on demand: it takes longer to load than a server to boot.
      const { bootContainer } = await import('./container.ts')
      return await testServerOn(await bootContainer(plan), plan)
    }
    case 'given':
      throw new Error(
        'This test needs a server of its own (it stops, reconfigures or blocks it), which the server given by ' +
          'WALWIRE_TEST_SERVER cannot be. Run it without WALWIRE_TEST_SERVER, or with WALWIRE_TEST_SERVER=testcontainers.',
      )
    default:
      throw new Error(`no such provider: ${JSON.stringify(chosen satisfies never)}`)
  }
}
