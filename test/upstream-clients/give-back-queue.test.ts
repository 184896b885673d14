import { expect, it } from 'vitest'
import { AT_ONCE, createGiveBackQueue, MAX_WAITING } from '../../src/upstream-clients/give-back-queue.ts'

const LONG_MS = 600_000
const turn = () => new Promise(setImmediate)

/** A request that is answered when the test says so. */
function held() {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { ask: () => promise, answer: resolve }
}

it('a provider that does not answer holds up no other, and what fails holds up nothing (V-03)', async () => {
  const queue = createGiveBackQueue()
  const slow = held()
  for (let index = 0; index <= AT_ONCE; index += 1) void queue.add('slow', slow.ask)
  await queue.add('quick', async () => {
    throw new Error('refused')
  })
  let isReached = false
  await queue.add('quick', async () => {
    isReached = true
  })
  expect(isReached).toBe(true)
  slow.answer()
  expect(await queue.drain(LONG_MS)).toBe(0)
})

it('draining waits for what is under way and for what waits, and is over at once when there is nothing', async () => {
  const queue = createGiveBackQueue()
  expect(await createGiveBackQueue().drain(LONG_MS)).toBe(0)
  const slow = held()
  let asked = 0
  const ask = () => {
    asked += 1
    return slow.ask()
  }
  for (let index = 0; index < AT_ONCE + 3; index += 1) void queue.add('corp', ask)
  const drained = queue.drain(LONG_MS).then((left) => [left, asked])
  await turn()
  slow.answer()
  expect(await drained).toEqual([0, AT_ONCE + 3])
})

it('after the time for draining nothing more is asked, and what has no answer is counted', async () => {
  const queue = createGiveBackQueue()
  const slow = held()
  let asked = 0
  const ask = () => {
    asked += 1
    return slow.ask()
  }
  const added = Array.from({ length: AT_ONCE + 3 }, () => queue.add('corp', ask))
  expect(await queue.drain(1)).toBe(AT_ONCE + 3)
  slow.answer()
  await Promise.all(added)
  await queue.add('corp', ask)
  expect(asked).toBe(AT_ONCE)
})

it('what comes when thousands wait is left out, which is said once, and others go on (C25)', async () => {
  const full: string[] = []
  const queue = createGiveBackQueue((provider) => full.push(provider))
  const slow = held()
  let asked = 0
  const ask = () => {
    asked += 1
    return slow.ask()
  }
  for (let index = 0; index < AT_ONCE + MAX_WAITING + 2; index += 1) void queue.add('corp', ask)
  expect(full).toEqual(['corp'])
  slow.answer()
  expect(await queue.drain(LONG_MS)).toBe(2)
  expect(asked).toBe(AT_ONCE + MAX_WAITING)
})
