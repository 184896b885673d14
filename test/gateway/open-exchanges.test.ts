import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { endAt, openExchanges } from '../../src/gateway/open-exchanges.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const GRACE_MS = 1000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function exchange() {
  return { owner: undefined, token: undefined, place: 0, wind: vi.fn(), cut: vi.fn() }
}

function named(owner: string) {
  return { ...exchange(), owner }
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

it('ends exactly those that are open, in whatever order others have ended before (P-71)', () => {
  const open = openExchanges()
  const [a, b, c, d, e] = [named('a'), named('b'), named('c'), named('d'), named('e')]
  for (const one of [a, b, c, d, e]) open.add(one)
  for (const ended of [b, e, a]) open.remove(ended)
  open.add(b)
  expect(open.size).toBe(3)
  expect(open.end((owner) => owner !== 'd')).toBe(2)
  expect([a, b, c, d, e].filter(({ cut }) => cut.mock.calls.length > 0)).toEqual([b, c])
  for (const ended of [c, d, b]) open.remove(ended)
  expect(open.size).toBe(0)
})
