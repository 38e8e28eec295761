import { execFile } from 'node:child_process'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TestServer } from './server.ts'

const run = promisify(execFile)

/**
 * Makes a server a standby, which is to be started.
 *
 * @param from whose data it gets; stopped
 * @param of whom it follows
 */
export async function makeStandby(
  standby: TestServer,
  { from, of = from }: { readonly from: TestServer; readonly of?: TestServer },
): Promise<void> {
  await standby.stop('fast')
  await rm(standby.dataDir, { recursive: true })
  await run('cp', ['-a', from.dataDir, standby.dataDir])
  // slots are no part of a base backup either
  const slots = join(standby.dataDir, 'pg_replslot')
  for (const slot of await readdir(slots)) await rm(join(slots, slot), { recursive: true })
  await writeFile(join(standby.dataDir, 'standby.signal'), '')
  const { host, port, superuser, password } = of
  await standby.reload({
    wal_retrieve_retry_interval: '100ms',
    primary_conninfo: `host=${host} port=${port} user=${superuser} password=${password}`,
  })
}
