import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, it } from 'vitest'
import { rawClient, rawPost, startRig } from './rig.ts'

const POST = rawPost('{}')

/**
 * An answer that is complete at the gateway and held back there, because its session is still being noted, and a second
 * request that is on its way over the same connection meanwhile.
 */
async function heldAndNext() {
  let [requests, connections] = [0, 0]
  let answerNext = () => {}
  const nextArrived = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    request.resume()
    requests += 1
    if (requests === 1) return void response.end('first')
    answerNext = () => void response.end('second')
    nextArrived.resolve()
  })
  server.on('connection', () => {
    connections += 1
  })
  const noted = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const rig = await startRig({
    upstream: server,
    buffered: true,
    exchange: {
      admit() {
        if (requests > 1) return undefined
        // After this turn the whole answer has been read.
        setImmediate(held.resolve)
        return noted.promise
      },
    },
  })
  const first = await rawClient(rig.port, POST)
  await held.promise
  const next = await rawClient(rig.port, POST)
  await nextArrived.promise
  expect(connections).toBe(1)
  return { rig, first, next, noted, answerNext: () => answerNext() }
}

it('a held answer is delivered, and the next one behind it (the positive twin)', async () => {
  const { first, next, noted, answerNext } = await heldAndNext()
  noted.resolve()
  expect(await first.until('first')).toContain('200 OK')
  answerNext()
  expect(await next.until('second')).toContain('200 OK')
})

it.each<[string, 'not_admitted' | 'client_gone']>([
  ['whose session cannot be noted', 'not_admitted'],
  ['whose client leaves', 'client_gone'],
])('a held answer %s takes nobody else with it (B238, C38)', async (_, kind) => {
  const { rig, first, next, noted, answerNext } = await heldAndNext()
  if (kind === 'not_admitted') noted.reject(new Error('no database'))
  else {
    const closed = once(first.socket, 'close')
    first.socket.destroy()
    await closed
  }
  expect(await rig.nextOutcome()).toMatchObject({ kind })
  answerNext()
  expect(await next.until('second')).toContain('200 OK')
})
