import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Tests talk HTTP to real processes on loopback; two cores are what continuous integration has.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What is waited for comes sooner or later; a second would be a measurement of the machine.
    expect: { poll: { timeout: 20_000 } },
  },
})
