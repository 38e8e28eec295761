import postgres from 'postgres'

/** Writes rows with rising IDs, over again where the server was away, until it is told to stop; answers the last ID. */
export function steadyWriter(url: string): { stop(): Promise<number> } {
  let writing = true
  const work = async () => {
    let id = 0
    while (writing) {
      const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {}, connect_timeout: 2 })
      try {
        for (; writing; id++) {
          // a commit whose answer was lost may have happened all the same
          await sql.unsafe(`INSERT INTO t VALUES (${id}, 'row ${id}') ON CONFLICT DO NOTHING`)
        }
      } catch {
        // the server is away
      } finally {
        await sql.end({ timeout: 0 })
      }
    }
    return id - 1
  }
  const written = work()
  return {
    stop() {
      writing = false
      return written
    },
  }
}
