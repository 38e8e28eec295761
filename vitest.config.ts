import { defineConfig } from 'vitest/config'

/** Suites of pure functions: they need nothing of their own, so that one process reads the sources once for all of them. */
const pure = ['decoder', 'protocol/messages', 'replication', 'delivery'].map((room) => `test/${room}/**/*.test.ts`)
const withServers = 'test/**/*.integration.test.ts'
/** What scripts/test.mjs leaves out. */
const leftOut = (process.env.WALWIRE_TEST_EXCLUDE ?? '').split(' ').filter((path) => path !== '')

const setupFiles = [
  'test/server/drop-databases.ts',
  // a law that failed is tried again with the seed of its report
  ...(process.env.WALWIRE_PROPERTY_SEED === undefined ? [] : ['test/property-seed.ts']),
]

export default defineConfig({
  test: {
    // Processes and not threads: tests watch their own process' memory, signals and exit.
    pool: 'forks',
    maxWorkers: 2,
    // of tests that wait together, within one file
    maxConcurrency: 10,
    setupFiles,
    testTimeout: 30_000,
    // The first boot of a version copies its binaries and runs initdb.
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: { name: 'pure', include: pure, exclude: [withServers, ...leftOut], isolate: false },
      },
      {
        extends: true,
        test: {
          name: 'rest',
          include: [withServers, 'test/**/*.test.ts'],
          exclude: [...pure.map((path) => path.replace('*.test.ts', '!(*.integration).test.ts')), ...leftOut],
          globalSetup: ['test/server/global-setup.ts'],
        },
      },
    ],
  },
})
