import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createPool, type Pool } from '../../../src/gateway/http1/pool.ts'
import type { RequestControl, UpstreamRequest } from '../../../src/gateway/http1/request.ts'

/** Numbers that follow from `seed` (mulberry32), so that a course that went wrong can be taken again, or nearly: sockets keep their own time. */
function chance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** The answer to request `id`: of a length and content that no other has. */
const answerTo = (id: number) => `<${id}>`.repeat(1 + ((id * 7919) % 3000))

/** Answers each request as its id wants it, in pieces, with some of the ways in which servers fail. */
function startServer(pick: (below: number) => number) {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: pick(2) === 0 }, (socket) => {
    let [received, answered] = ['', 0]
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
    socket.on('end', () => socket.end())
    socket.on('data', (data) => {
      received += data.toString('latin1')
      for (let next = firstOf(received); next; next = firstOf(received)) {
        const { id, length } = next
        // Some are answered before their body has come.
        const isDue = length !== undefined || pick(10) === 0
        if (isDue && answered !== id) void answer(socket, id)
        if (isDue) answered = id
        if (length === undefined) return
        received = received.slice(length)
      }
    })
  })

  async function answer(socket: Socket, id: number): Promise<void> {
    const body = answerTo(id)
    const way = pick(12)
    const framed =
      way < 5
        ? `Content-Length: ${body.length}\r\n\r\n${body}`
        : way < 10
          ? `Transfer-Encoding: chunked\r\n\r\n${chunks(body)}0\r\n\r\n`
          : `Connection: close\r\n\r\n${body}`
    const interim = pick(6) === 0 ? 'HTTP/1.1 103 Early\r\n\r\n' : ''
    const unasked = pick(8) === 0 && way < 10 ? 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged' : ''
    const bytes = `${interim}HTTP/1.1 200 OK\r\n${framed}${unasked}`
    const stop = pick(8) === 0 ? pick(bytes.length) : bytes.length
    for (let at = 0; at < stop && !socket.destroyed; ) {
      const end = unasked !== '' && stop === bytes.length ? stop : Math.min(stop, at + 1 + pick(6000))
      socket.write(bytes.slice(at, end), 'latin1')
      at = end
      if (pick(2) === 0) await turn()
    }
    if (stop < bytes.length && way < 10 && pick(2) === 0) socket.resetAndDestroy()
    else if (stop < bytes.length || way >= 10) socket.end()
  }

  function chunks(body: string): string {
    let text = ''
    for (let at = 0; at < body.length; ) {
      const piece = body.slice(at, at + 1 + pick(900))
      text += `${piece.length.toString(16)}\r\n${piece}\r\n`
      at += piece.length
    }
    return text
  }
  return { server, sockets }
}

/** The first request in what came; without `length` until it is complete. */
function firstOf(received: string): { id: number; length?: number } | undefined {
  const end = received.indexOf('\r\n\r\n') + 4
  const head = received.slice(0, end)
  if (!'POST '.startsWith(received.slice(0, 5))) throw new Error(`no request: ${received.slice(0, 40)}`)
  if (head.length < 4) return undefined
  const id = Number(/^POST \/(\d+) HTTP/.exec(head)?.[1])
  const counted = /content-length: (\d+)/.exec(head)?.[1]
  const last = received.indexOf('0\r\n\r\n', end)
  const length = counted === undefined ? last + 5 : end + Number(counted)
  const isComplete = counted === undefined ? last !== -1 : received.length >= length
  return isComplete ? { id, length } : { id }
}

/** Sends request `id` and deals with its answer in some way; resolves to how it ended. */
function take(pool: Pool, id: number, pick: (below: number) => number): Promise<'whole' | 'given up' | 'failed'> {
  return new Promise((resolve, reject) => {
    const [giveUpAt, isSlow] = [pick(6) === 0 ? pick(4) : -1, pick(3) === 0]
    let [text, steps, isOver] = ['', 0, false]
    let reins: RequestControl | undefined
    const wanted = answerTo(id)
    const step = (control: RequestControl) => {
      reins = control
      if (isOver) reject(new Error(`${id} is over, and goes on`))
      if (steps++ === giveUpAt) over('given up', () => control.abort())
    }
    const over = (how: 'whole' | 'given up' | 'failed', act = () => {}) => {
      if (isOver) reject(new Error(`${id} ends twice`))
      isOver = true
      act()
      resolve(how)
      // Whoever comes late.
      if (pick(3) === 0) setImmediate(() => (pick(2) === 0 ? reins?.abort() : reins?.pause()))
    }
    pool.dispatch(requestOf(id, pick), {
      onStart: step,
      onHead: step,
      onData(control, chunk) {
        step(control)
        text += chunk.toString('latin1')
        if (!wanted.startsWith(text)) reject(new Error(`${id} got ${text.slice(-40)}`))
        if (!isSlow || isOver) return true
        control.pause()
        setImmediate(() => setImmediate(() => control.resume()))
        return true
      },
      onEnd: () => over('whole'),
      onError: () => over('failed'),
    })
  })
}

function requestOf(id: number, pick: (below: number) => number): UpstreamRequest {
  const base = { method: 'POST', path: `/${id}`, headers: {}, answerTimeoutMs: pick(2) * 60_000 }
  if (pick(3) === 0) return base
  const bytes = Buffer.alloc(1 + pick(100_000), 'x')
  if (pick(2) === 0) return { ...base, body: bytes }
  const stream = new PassThrough().on('error', () => {})
  void (async () => {
    const stop = pick(8) === 0 ? pick(bytes.length) : bytes.length
    for (let at = 0; at < stop && !stream.destroyed; ) {
      const end = Math.min(stop, at + 1 + pick(40_000))
      stream.write(bytes.subarray(at, end))
      at = end
      await turn()
    }
    if (stop === bytes.length) stream.end()
    else stream.destroy(pick(2) === 0 ? new Error('broken') : undefined)
  })()
  return { ...base, body: pick(2) === 0 ? { stream, length: bytes.length } : { stream } }
}

it.each(Array.from({ length: 6 }, (_, index) => index + 1))(
  'however requests, servers and givers-up go on, everybody gets their own answer or none, once (B234, B238; seed %d)',
  async (seed) => {
    const pick = chance(seed)
    const { server, sockets } = startServer(pick)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const pool = createPool(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), 10_000)
    try {
      const ends = []
      for (let id = 1; id <= 120; ) {
        const together = Array.from({ length: 1 + pick(6) }, () => take(pool, id++, pick))
        ends.push(...(await Promise.all(together)))
      }
      expect(new Set(ends)).toEqual(new Set(['whole', 'given up', 'failed']))
      expect(ends.filter((end) => end === 'whole').length).toBeGreaterThan(ends.length / 3)
    } finally {
      pool.destroy()
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  },
)
