import type { ConnectionOptions } from '../../../../src/index.ts'

/**
 * A connection whose password takes a moment to get: `work` runs before the connection of that number logs in. A feed
 * opens one for replication, one ordinary one, and then, when its slot is made, the copy's. So the third lies exactly
 * between the slot and the copy, where other sessions could do anything.
 */
export function beforeConnection(
  uri: string,
  works: Readonly<Record<number, () => Promise<unknown>>>,
): ConnectionOptions {
  const url = new URL(uri)
  let connections = 0
  return {
    host: url.hostname,
    port: url.port,
    user: decodeURIComponent(url.username),
    dbname: decodeURIComponent(url.pathname.slice(1)),
    password: async () => {
      await works[++connections]?.()
      return decodeURIComponent(url.password)
    },
  }
}

/** The connection that copies in the first attempt. */
export const firstCopy = 3
/** The one of the second attempt. */
export const secondCopy = 4
