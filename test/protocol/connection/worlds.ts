import type {
  ConnectionInput,
  ResolvedConnection,
  ResolvedHost,
} from '../../../src/protocol/connection/connection-options.ts'
import { resolveConnection } from '../../../src/protocol/connection/resolve-connection.ts'
import type { FoundFile, Surroundings } from '../../../src/protocol/connection/surroundings.ts'

export interface World {
  readonly env?: Record<string, string>
  readonly files?: Record<string, string | Partial<FoundFile>>
  readonly sockets?: readonly string[]
  readonly userName?: string | undefined
  readonly platform?: NodeJS.Platform
}

/** An outside world in which there is nothing but what a test puts there. */
export function world({ env = {}, files = {}, sockets = [], platform = 'linux', ...rest }: World = {}): Surroundings {
  return {
    env,
    platform,
    userName: () => ('userName' in rest ? rest.userName : 'me'),
    homeDirectory: () => '/home/me',
    async file(path) {
      const file = files[path]
      if (file === undefined) return undefined
      return { text: '', plain: true, exposed: false, ...(typeof file === 'string' ? { text: file } : file) }
    },
    isSocket: async (path) => sockets.includes(path),
  }
}

/** The first host's fields beside the connection's. */
export async function resolve(
  input?: ConnectionInput,
  given?: World,
): Promise<Omit<ResolvedConnection, keyof ResolvedHost> & ResolvedHost> {
  const connection = await resolveConnection(input, world(given))
  return { ...connection, ...connection.hosts[0] }
}
