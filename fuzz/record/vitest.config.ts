import { defineConfig } from 'vitest/config'

// Recording is run by the test runner, for its compiler and its servers.
export default defineConfig({
  test: {
    include: ['fuzz/record/*.record.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    reporters: ['default'],
  },
})
