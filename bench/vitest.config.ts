import { defineConfig } from 'vitest/config'

// Measurements are run by the test runner, for its compiler and its servers; what is measured are processes of their own.
export default defineConfig({
  test: {
    include: ['bench/*.measure.ts'],
    testTimeout: 3_600_000,
    hookTimeout: 3_600_000,
    fileParallelism: false,
    reporters: ['default'],
  },
})
