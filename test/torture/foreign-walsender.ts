import { setTimeout as delay } from 'node:timers/promises'
import { Connection } from '../../src/protocol/connection/connection.ts'
import { resolveConnection } from '../../src/protocol/connection/resolve-connection.ts'
import { WalwireError } from '../../src/protocol/messages/errors.ts'
import { publication } from './shop.ts'

const tries = 20

/**
 * Has a slot in use as another client would that acknowledges nothing, so that all is still there when it goes.
 *
 * @param free ends whoever has it
 * @returns undefined where it could not be had, or is not there
 */
export async function holdSlot(
  uri: string,
  slot: string,
  free: () => Promise<unknown>,
): Promise<Connection | undefined> {
  const connection = await Connection.open(await resolveConnection(uri), { replication: 'database' })
  const options = `proto_version '1', publication_names '${publication}'`
  for (let left = tries; left > 0; left--) {
    await free()
    try {
      await connection.copy(`START_REPLICATION SLOT ${slot} LOGICAL 0/0 (${options})`)
      return connection
    } catch (error) {
      if (!(error instanceof WalwireError)) throw error
      // not there yet, or in use
      if (error.sqlstate !== '55006') break
    }
    await delay(20)
  }
  connection.destroy()
  return undefined
}
