import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { dechunk, listen, RAW_GET, rawClient, rawPost, startRig } from './rig.ts'

const EVENTS = { 'content-type': 'text/event-stream' }

/** An MCP server that hands each exchange to the test and says when the gateway closed it. */
function controlled() {
  const exchanges: { request: IncomingMessage; response: ServerResponse; closed: Promise<unknown> }[] = []
  let arrived: (() => void) | undefined
  return {
    exchanges,
    listener(request: IncomingMessage, response: ServerResponse) {
      request.on('error', () => {})
      exchanges.push({ request, response, closed: once(response, 'close') })
      arrived?.()
    },
    async next() {
      if (exchanges.length === 0) {
        await new Promise<void>((resolve) => {
          arrived = resolve
        })
      }
      const exchange = exchanges.shift()
      if (!exchange) throw new Error('nothing arrived')
      return exchange
    },
  }
}

describe('event streams', () => {
  it('deliver status and headers while the server stays silent (P-60)', async () => {
    const server = controlled()
    const rig = await startRig({ upstream: server.listener })
    const client = await rawClient(rig.port, RAW_GET)
    const { response } = await server.next()
    response.writeHead(200, EVENTS).flushHeaders()
    const head = await client.until('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(head).toMatch(/x-accel-buffering: no/i)
    expect(head.split('\r\n\r\n')[1]).toBe('')
  })

  it('arrive byte for byte, whatever the chunks: CRLF, LF, CR, comments, priming, split characters (P-60, B254)', async () => {
    const server = controlled()
    const rig = await startRig({ upstream: server.listener })
    const text =
      ': comment\r\n\r\nid: 0\ndata:\n\nevent: message\r\nid: 1\r\nretry: 5\r\ndata: {"é":"😀"}\r\n\r\ndata: a\rdata: b\r\r'
    const bytes = Buffer.from(text)
    const client = await rawClient(rig.port, RAW_GET)
    const { response } = await server.next()
    response.writeHead(200, EVENTS)
    for (const byte of bytes) response.write(Buffer.of(byte))
    response.end()
    const answer = await client.until('\r\n0\r\n\r\n')
    expect(Buffer.from(dechunk(answer), 'latin1')).toEqual(bytes)
    expect(await rig.nextOutcome()).toEqual({ kind: 'answered', status: 200, bytes: bytes.length })
  })

  it('pass each event on before the next one exists (P-60)', async () => {
    const server = controlled()
    const rig = await startRig({ upstream: server.listener })
    const client = await rawClient(rig.port, rawPost('{}'))
    const { response } = await server.next()
    response.writeHead(200, EVENTS)
    for (const n of [1, 2, 3]) {
      response.write(`data: ${n}\n\n`)
      await client.until(`data: ${n}\n\n`)
    }
    response.end()
    await client.until('\r\n0\r\n\r\n')
  })
})

describe('a client that leaves', () => {
  it('before the first byte closes the request to the server (P-65, B253)', async () => {
    const server = controlled()
    const rig = await startRig({ upstream: server.listener })
    const client = await rawClient(rig.port, rawPost('{}'))
    const { response, closed } = await server.next()
    client.socket.destroy()
    await closed
    expect(response.writableFinished).toBe(false)
    expect(await rig.nextOutcome()).toEqual({ kind: 'client_gone' })
    expect(rig.forwarder.open).toBe(0)
  })

  it.each(['destroy', 'resetAndDestroy', 'end'] as const)(
    'by %s in the middle of a stream closes the request to the server (P-65, B253)',
    async (leave) => {
      const server = controlled()
      const rig = await startRig({ upstream: server.listener })
      const client = await rawClient(rig.port, RAW_GET)
      const { response, closed } = await server.next()
      response.writeHead(200, EVENTS)
      response.write('data: 1\n\n')
      await client.until('data: 1')
      client.socket[leave]()
      await closed
      expect(await rig.nextOutcome()).toEqual({ kind: 'client_gone' })
    },
  )

  it('while its body is still on the way closes the request to the server (P-65)', async () => {
    const server = controlled()
    const rig = await startRig({ upstream: server.listener })
    const client = await rawClient(rig.port, 'POST /route HTTP/1.1\r\nHost: g\r\nContent-Length: 10\r\n\r\n12345')
    const { request, closed } = await server.next()
    await once(request, 'data')
    client.socket.destroy()
    await closed
    expect(request.complete).toBe(false)
    expect(await rig.nextOutcome()).toEqual({ kind: 'client_gone' })
  })

  it('while the connection to the server is being made ends that at once, and no other (C38)', async () => {
    const sockets: Socket[] = []
    // Waits for a greeting that never comes.
    const silent = createServer((socket) => void sockets.push(socket.on('error', () => {}).resume()))
    const upstream = new URL(`https://127.0.0.1:${await listen(silent)}`)
    const rig = await startRig({ upstream, connectTimeoutMs: 600_000 })
    const leaving = await rawClient(rig.port, rawPost('{}'))
    while (sockets.length < 1) await once(silent, 'connection')
    const staying = await rawClient(rig.port, rawPost('{}'))
    while (sockets.length < 2) await once(silent, 'connection')
    leaving.socket.destroy()
    expect(await rig.nextOutcome()).toEqual({ kind: 'client_gone' })
    if (!sockets[0]?.closed) await once(sockets[0] as Socket, 'close')
    expect([sockets[1]?.closed, staying.socket.closed]).toEqual([false, false])
  })

  it('leaves no trace on the others: a stream beside it goes on (I6)', async () => {
    const server = controlled()
    const rig = await startRig({ upstream: server.listener })
    const staying = await rawClient(rig.port, RAW_GET)
    const first = await server.next()
    first.response.writeHead(200, EVENTS).flushHeaders()
    const leaving = await rawClient(rig.port, RAW_GET)
    const second = await server.next()
    second.response.writeHead(200, EVENTS).flushHeaders()
    await leaving.until('200 OK')
    leaving.socket.destroy()
    await second.closed
    first.response.write('data: still here\n\n')
    await staying.until('still here')
    expect(rig.forwarder.open).toBe(1)
  })
})

describe('large bodies', () => {
  const body = randomBytes(10 * 1024 * 1024)
  const digest = createHash('sha256').update(body).digest('hex')

  it.each([false, true])('of 10 MB pass both ways byte for byte (P-12), read first: %s', async (buffered) => {
    let seen: Record<string, unknown> = {}
    const rig = await startRig({
      buffered,
      upstream: async (request, response) => {
        seen = request.headers
        const received = await buffer(request)
        response.setHeader('x-received', createHash('sha256').update(received).digest('hex'))
        response.end(received)
      },
    })
    const answer = await fetch(rig.url, { method: 'POST', body })
    expect(answer.headers.get('x-received')).toBe(digest)
    expect(
      createHash('sha256')
        .update(Buffer.from(await answer.arrayBuffer()))
        .digest('hex'),
    ).toBe(digest)
    expect(seen['content-length']).toBe(String(body.length))
  })

  it('of unknown length pass while the answer is already on its way back (P-12)', async () => {
    const rig = await startRig({ upstream: (request, response) => void request.pipe(response) })
    const outgoing = httpRequest(rig.url, { method: 'POST' })
    const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
    outgoing.end(body)
    const [incoming] = await answered
    const received = await buffer(incoming)
    expect(createHash('sha256').update(received).digest('hex')).toBe(digest)
  })

  it('wait for a client that does not read: the server is paused (P-64)', async () => {
    const total = 64 * 1024 * 1024
    const piece = Buffer.alloc(64 * 1024, 'x')
    let written = 0
    const stalled = Promise.withResolvers<void>()
    const rig = await startRig({
      upstream: (_, response) => {
        response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': total })
        const more = () => {
          while (written < total) {
            written += piece.length
            if (response.write(piece)) continue
            // Once the socket takes nothing more for a while, everything between here and the client is full.
            const idle = setTimeout(stalled.resolve, 300)
            response.once('drain', () => {
              clearTimeout(idle)
              more()
            })
            return
          }
          response.end()
        }
        more()
      },
    })
    const client = await rawClient(rig.port, RAW_GET)
    client.socket.pause()
    await stalled.promise
    // Kernel buffers on four sockets and a few pieces: far from everything.
    expect(written).toBeLessThan(total / 2)
    let received = 0
    client.socket.removeAllListeners('data')
    client.socket.on('data', (data) => {
      received += data.length
    })
    client.socket.resume()
    expect(await rig.nextOutcome()).toEqual({ kind: 'answered', status: 200, bytes: total })
    while (received < total) await once(client.socket, 'data')
    expect(received).toBeGreaterThan(total)
  })
})
