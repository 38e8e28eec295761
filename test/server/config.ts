import type { Settings } from '../../src/cli/embedded/server-files.ts'

/** What every test server runs with, unless the test says otherwise. */
export const defaultSettings: Settings = {
  wal_level: 'logical',
  max_wal_senders: 50,
  max_replication_slots: 50,
  // Two-phase commit is off by default, and PREPARE TRANSACTION fails without it.
  max_prepared_transactions: 20,
  max_connections: 200,
  shared_buffers: '16MB',
  // Old WAL would be kept for reuse, up to a gigabyte, in memory.
  max_wal_size: '64MB',
  min_wal_size: '32MB',
  // The data lives as long as one test: nothing here has to survive a power cut.
  fsync: false,
  full_page_writes: false,
  // Autovacuum opens transactions of its own, which move xmin and the WAL position under a test that measures them.
  autovacuum: false,
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_replication_commands: true,
}
