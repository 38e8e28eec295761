import { describe, expect, test } from 'vitest'
import { outerVersions, sharedServer } from '../../server/index.ts'
import { beforeCommand } from '../follow/helpers/between.ts'
import { Source } from '../follow/helpers/source.ts'

describe.each(outerVersions())('a snapshot, on PostgreSQL %i,', (version) => {
  test('whose session has ended before another one takes it over is a connection that was lost: the copy begins again', async () => {
    await using source = await Source.make(
      await sharedServer(version),
      'CREATE TABLE t (id int); INSERT INTO t VALUES (1)',
    )
    const ended = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
      WHERE datname = current_database() AND backend_type = 'walsender'`
    const connection = beforeCommand(source.url, 'SET TRANSACTION SNAPSHOT', () => source.write(ended))
    await expect(source.follow({ connection }).untilCopied()).rejects.toMatchObject({ retryable: true })
  })
})
