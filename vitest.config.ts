import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/server/global-setup.ts'],
    setupFiles: [
      'test/server/drop-databases.ts',
      // a law that failed is tried again with the seed of its report
      ...(process.env.WALWIRE_PROPERTY_SEED === undefined ? [] : ['test/property-seed.ts']),
    ],
    // Processes and not threads: tests watch their own process' memory, signals and exit.
    pool: 'forks',
    maxWorkers: 2,
    // of tests that wait together, within one file
    maxConcurrency: 10,
    testTimeout: 30_000,
    // The first boot of a version copies its binaries and runs initdb.
    hookTimeout: 120_000,
  },
})
