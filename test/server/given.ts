import type { ServerAddress } from './server.ts'
import { queryOnce } from './sql.ts'

/** What the server of WALWIRE_TEST_SERVER is, asked of it. @throws Error where it does not answer. */
export async function givenServer(uri: string): Promise<ServerAddress> {
  const { hostname, port, username, password, searchParams } = new URL(uri)
  let versionNum: number
  try {
    versionNum = Number(await queryOnce(uri, 'SHOW server_version_num'))
  } catch (cause) {
    throw new Error(`the server of WALWIRE_TEST_SERVER does not answer: ${String(cause)}`, { cause })
  }
  return {
    version: Math.floor(versionNum / 10_000),
    versionNum,
    host: hostname || 'localhost',
    port: Number(port || 5432),
    name: decodeURIComponent(username),
    password: decodeURIComponent(password),
    parameters: Object.fromEntries(searchParams),
  }
}
