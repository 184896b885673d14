import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { endAt } from '../../src/gateway/open-exchanges.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const GRACE_MS = 1000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function exchange() {
  return { owner: undefined, token: undefined, wind: vi.fn(), cut: vi.fn() }
}

it.each([1, 60])(
  'winds a stream up when its token ends after %i days, not before, and cuts it later (P-71)',
  (days) => {
    const open = exchange()
    endAt(open, Date.now() + days * DAY_MS, GRACE_MS)
    vi.advanceTimersByTime(days * DAY_MS)
    expect(open.wind).not.toHaveBeenCalled()
    vi.advanceTimersByTime(GRACE_MS)
    expect(open.wind).toHaveBeenCalledOnce()
    expect(open.cut).not.toHaveBeenCalled()
    vi.advanceTimersByTime(GRACE_MS)
    expect(open.cut).toHaveBeenCalledOnce()
  },
)

it.each([1, 60])('leaves a stream alone that ended by itself within %i days', (days) => {
  const open = exchange()
  const stop = endAt(open, Date.now() + days * DAY_MS, GRACE_MS)
  vi.advanceTimersByTime((days * DAY_MS) / 2)
  stop()
  vi.advanceTimersByTime(days * DAY_MS)
  expect(open.wind).not.toHaveBeenCalled()
})
