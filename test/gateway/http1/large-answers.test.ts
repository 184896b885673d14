import { afterAll, beforeAll, expect, it } from 'vitest'
import { createPool, type Pool } from '../../../src/gateway/http1/pool.ts'
import { type PlainServer, startPlainServer } from '../../fixtures/plain-server.ts'

const CLIENTS = 40
const BODY = Buffer.alloc(4 * 1024 * 1024, 'x')
/** What one large answer is read into. */
const LARGE_BYTES = 256 * 1024

let server: PlainServer
let pool: Pool
/** One for each answer that was begun, resolved when its connection is gone. */
const gone: Promise<unknown>[] = []

beforeAll(async () => {
  server = await startPlainServer((_, response) => {
    gone.push(new Promise((resolve) => response.on('close', resolve)))
    response.end(BODY)
  })
  pool = createPool(new URL(server.url), 1000)
})
afterAll(async () => {
  pool.destroy()
  await server.close()
})

/** Asks for one and stops reading in the middle; says in how much memory its last piece is, and how to give it up. */
function readHalf(): Promise<{ readonly bytes: number; abort(): void }> {
  return new Promise((resolve, reject) => {
    let received = 0
    pool.dispatch(
      { method: 'GET', path: '/mcp', headers: {}, answerTimeoutMs: 0 },
      {
        onStart() {},
        onHead() {},
        onData(control, chunk) {
          received += chunk.length
          if (chunk.buffer.byteLength < LARGE_BYTES && received < BODY.length / 2) return true
          control.pause()
          resolve({ bytes: chunk.buffer.byteLength, abort: control.abort })
          return false
        },
        onEnd: () => reject(new Error('it has ended')),
        onError: reject,
      },
    )
  })
}

it('large answers get memory of their own for 32 clients at once, because those that read nothing keep it (C65)', async () => {
  const isLarge = ({ bytes }: { bytes: number }) => bytes >= LARGE_BYTES
  const halves = await Promise.all(Array.from({ length: CLIENTS }, readHalf))
  expect(halves.filter(isLarge).length).toBeLessThanOrEqual(32)
  expect(halves.some(isLarge)).toBe(true)

  for (const { abort } of halves) abort()
  await Promise.all(gone)
  expect(isLarge(await readHalf())).toBe(true)
})
