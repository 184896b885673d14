import { describe, expect, it } from 'vitest'
import { runSoak } from './soak.ts'

describe('many identities behind one client id', () => {
  it('each get their own answers while tokens rotate, sockets are given up and the server resets (B190, B244, B248, P-42)', {
    timeout: 60_000,
  }, async () => {
    const report = await runSoak({ calls: 5000, identities: 20, limitMs: 20_000, accessTtlSeconds: 3 })
    expect(report.mixedUp).toEqual([])
    expect(report.loggedOut).toBe(0)
    expect(report.leftOpen).toBe(0)
    // Every fault took place, and most calls were answered none the less.
    expect(report.aborted).toBeGreaterThan(0)
    expect(report.failed).toBeGreaterThan(0)
    expect(report.refreshes).toBeGreaterThanOrEqual(20)
    expect(report.answered).toBeGreaterThan(report.failed * 5)
  })
})
