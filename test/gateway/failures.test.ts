import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createNetServer } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { listen, RAW_GET, rawClient, rawPost, startRig } from './rig.ts'
import { CERTIFICATE, KEY } from './untrusted-certificate.ts'

const EVENTS = { 'content-type': 'text/event-stream' }

describe('an MCP server that dies', () => {
  it('in the middle of an event stream breaks the client off: no clean end (P-69, C33)', async () => {
    const rig = await startRig({
      upstream: (_, response) => {
        response.writeHead(200, EVENTS)
        response.write('data: half an ev', () => response.socket?.destroy())
      },
    })
    const client = await rawClient(rig.port, RAW_GET)
    await client.closed()
    expect(client.received()).toContain('half an ev')
    expect(client.received()).not.toContain('\r\n0\r\n\r\n')
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'broken_off', status: 200, bytes: 16 })
  })

  it('in the middle of a long answer breaks the client off (C33)', async () => {
    const rig = await startRig({
      upstream: (_, response) => {
        response.writeHead(200, { 'content-length': 200_000 })
        response.write(Buffer.alloc(100_000), () => response.socket?.destroy())
      },
    })
    await expect(fetch(rig.url).then((answer) => answer.arrayBuffer())).rejects.toThrow()
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'broken_off' })
  })

  it('in the middle of a short answer leaves room for a proper error (P-69)', async () => {
    const rig = await startRig({
      upstream: (_, response) => {
        response.writeHead(200, { 'content-length': 100 })
        response.write('{"half":', () => response.socket?.destroy())
      },
    })
    const answer = await fetch(rig.url, { method: 'POST', body: '{}' })
    expect(answer.status).toBe(502)
    expect(await answer.text()).toBe('unreachable')
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'unreachable', sent: true })
  })

  it('resets an HTTP/1.0 client, for which the end of the connection would be the end of the body (C33)', async () => {
    const rig = await startRig({
      upstream: (_, response) => {
        response.writeHead(200, EVENTS)
        response.write('data: 1\n\ndata', () => response.socket?.destroy())
      },
    })
    const client = await rawClient(rig.port, 'GET /route HTTP/1.0\r\nHost: g\r\n\r\n')
    expect(await client.closed()).toBe('ECONNRESET')
    expect(client.received()).not.toMatch(/transfer-encoding/i)
  })

  it('after it got a POST never gets it again (P-33, C35)', async () => {
    let requests = 0
    const server = createNetServer((socket) => {
      socket.once('data', () => {
        requests += 1
        socket.resetAndDestroy()
      })
    })
    const rig = await startRig({ upstream: server })
    const answer = await fetch(rig.url, { method: 'POST', body: '{"method":"tools/call"}' })
    expect(answer.status).toBe(502)
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'unreachable', sent: true })
    expect(requests).toBe(1)
  })

  it('between two requests costs the second one nothing: it goes over a new connection, once (C35)', async () => {
    const bodies: string[] = []
    const answerer: RequestListener = async (request, response) => {
      bodies.push(await text(request))
      response.end('ok')
    }
    const server = createServer(answerer)
    const rig = await startRig({ upstream: server })
    const first = once(server, 'connection')
    expect(await (await fetch(rig.url, { method: 'POST', body: '1' })).text()).toBe('ok')
    const [socket] = await first
    socket.destroy()
    await once(socket, 'close')
    expect(await (await fetch(rig.url, { method: 'POST', body: '2' })).text()).toBe('ok')
    expect(bodies).toEqual(['1', '2'])
  })
})

describe('an MCP server that cannot be reached', () => {
  it('because it refuses connections is unreachable, with nothing sent (C30)', async () => {
    const gone = createNetServer()
    const port = await listen(gone)
    gone.close()
    await once(gone, 'close')
    const rig = await startRig({ upstream: new URL(`http://127.0.0.1:${port}/mcp`) })
    expect((await fetch(rig.url, { method: 'POST', body: '{}' })).status).toBe(502)
    expect(await rig.nextOutcome()).toEqual({ kind: 'unreachable', reason: 'ECONNREFUSED', sent: false })
  })

  it('because its name does not exist is unreachable (C30)', async () => {
    const rig = await startRig({ upstream: new URL('http://mcp.invalid/mcp') })
    expect((await fetch(rig.url)).status).toBe(502)
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'unreachable', sent: false })
  })

  it('because it does not speak TLS is unreachable, and its plain answer is not used (P-32)', async () => {
    const plain = createServer((_, response) => void response.end('plain'))
    const port = await listen(plain)
    const rig = await startRig({ upstream: new URL(`https://127.0.0.1:${port}/mcp`) })
    expect((await fetch(rig.url)).status).toBe(502)
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'unreachable', sent: false })
  })

  it('because its certificate is not trusted is unreachable (P-32)', async () => {
    const server = createTlsServer({ key: KEY, cert: CERTIFICATE }, (_, response) => void response.end('secret'))
    const port = await listen(server)
    const rig = await startRig({ upstream: new URL(`https://localhost:${port}/mcp`) })
    expect((await fetch(rig.url)).status).toBe(502)
    expect(await rig.nextOutcome()).toEqual({
      kind: 'unreachable',
      reason: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      sent: false,
    })
  })

  it('in time is told apart from one that refuses, and a POST is not repeated (C31)', async () => {
    let requests = 0
    const rig = await startRig({ answerTimeoutMs: 50, upstream: () => void requests++ })
    expect((await fetch(rig.url, { method: 'POST', body: '{}' })).status).toBe(502)
    expect(await rig.nextOutcome()).toEqual({ kind: 'timed_out' })
    await expect.poll(() => requests).toBe(1)
  })

  it('does not hold up another one (C38)', async () => {
    const answering = await listen(createServer((_, response) => void response.end('fine')))
    const rig = await startRig({ upstream: () => {}, other: new URL(`http://127.0.0.1:${answering}/mcp`) })
    await Promise.all(Array.from({ length: 20 }, () => rawClient(rig.port, RAW_GET)))
    expect(await (await fetch(`http://127.0.0.1:${rig.port}/other`)).text()).toBe('fine')
    expect(rig.forwarder.open).toBe(20)
  })
})

describe('a refused credential', () => {
  it('writes nothing, so that the caller can forward again with a fresh one (S-09)', async () => {
    const seen: string[] = []
    const rig = await startRig({
      buffered: true,
      injected: { authorization: 'Bearer stale' },
      upstream: async (request, response) => {
        seen.push(`${request.headers.authorization} ${await text(request)}`)
        const fresh = request.headers.authorization === 'Bearer fresh'
        response.writeHead(fresh ? 200 : 401, { 'www-authenticate': 'Bearer' }).end(fresh ? 'welcome' : 'go away')
      },
      unanswered: async (outcome, exchange, forwarder) =>
        outcome.kind === 'credential_refused'
          ? forwarder.forward({ ...exchange, headers: { ...exchange.headers, authorization: 'Bearer fresh' } })
          : outcome,
    })
    const answer = await fetch(rig.url, { method: 'POST', body: 'call' })
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe('welcome')
    expect(seen).toEqual(['Bearer stale call', 'Bearer fresh call'])
  })

  it('is told apart from 403, which passes (S-10)', async () => {
    const rig = await startRig({ upstream: (_, response) => void response.writeHead(403).end('no') })
    expect((await fetch(rig.url)).status).toBe(403)
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'answered', status: 403 })
  })
})

describe('statuses of the server', () => {
  it.each([200, 202, 204, 400, 404, 405, 429, 500, 503])(
    '%i passes with its body (P-21, P-82, C37)',
    async (status) => {
      const rig = await startRig({
        upstream: (_, response) => {
          response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '3' })
          response.end(status === 204 ? undefined : '{"jsonrpc":"2.0","error":{"code":-32601}}')
        },
      })
      const answer = await fetch(rig.url, { method: 'POST', body: '{}' })
      expect(answer.status).toBe(status)
      expect(answer.headers.get('retry-after')).toBe('3')
      expect(await answer.text()).toBe(status === 204 ? '' : '{"jsonrpc":"2.0","error":{"code":-32601}}')
    },
  )

  it.each([
    [204, null],
    [200, '4'],
  ])('%i with a length reaches the client with the length %s (RFC 9110 §8.6)', async (status, length) => {
    const rig = await startRig({
      upstream: (_, response) => {
        response.socket?.end(`HTTP/1.1 ${status} x\r\nContent-Length: 4\r\n\r\n${status === 204 ? '' : 'body'}`)
      },
    })
    const answer = await fetch(rig.url, { method: 'POST', body: '{}' })
    expect([answer.status, answer.headers.get('content-length')]).toEqual([status, length])
  })

  it('1xx before the answer does not count as one', async () => {
    const rig = await startRig({
      upstream: (_, response) => {
        response.writeEarlyHints({ link: '</x>; rel=preload' })
        response.end('final')
      },
    })
    expect(await (await fetch(rig.url)).text()).toBe('final')
  })
})

describe('a redirect', () => {
  it.each([
    [307, 'http'],
    [308, 'http'],
    [307, 'https'],
  ])(
    '%i that only adds a slash is followed with method, body and query, whatever scheme it names: %s (P-07, P-09)',
    async (status, scheme) => {
      const seen: string[] = []
      const rig = await startRig({
        buffered: true,
        upstream: async (request, response) => {
          seen.push(`${request.method} ${request.url} ${await text(request)}`)
          if (request.url?.startsWith('/mcp/')) response.end('mounted')
          else response.writeHead(status, { location: `${scheme}://${request.headers.host}/mcp/` }).end()
        },
      })
      const post = () => fetch(`${rig.url}?a=b`, { method: 'POST', body: 'x', redirect: 'manual' })
      expect(await (await post()).text()).toBe('mounted')
      expect(await (await post()).text()).toBe('mounted')
      expect(seen).toEqual(['POST /mcp?a=b x', 'POST /mcp/?a=b x', 'POST /mcp/?a=b x'])
    },
  )

  it.each([
    ['another origin', 307, 'http://127.0.0.1:1/mcp/'],
    ['another origin without a scheme', 307, '//127.0.0.1:1/mcp/'],
    ['something else than HTTP', 307, 'mcp:/mcp/'],
    ['another path', 307, '/admin'],
    ['another path behind the same start', 308, '/mcp/admin'],
    ['another method', 302, '/mcp/'],
    ['nowhere', 307, undefined],
    ['itself', 307, '/mcp'],
  ])('to %s is not followed and not passed on (P-07, B212)', async (_, status, location) => {
    const seen: (string | undefined)[] = []
    const rig = await startRig({
      buffered: true,
      upstream: (request, response) => {
        seen.push(request.url)
        response.writeHead(status, location === undefined ? {} : { location }).end('moved')
      },
    })
    const answer = await fetch(rig.url, { method: 'POST', body: 'x', redirect: 'manual' })
    expect(answer.status).toBe(502)
    expect(answer.headers.has('location')).toBe(false)
    expect(seen).toEqual(['/mcp'])
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'redirected', status })
  })

  it('in a circle ends after one step (P-09)', async () => {
    let requests = 0
    const rig = await startRig({
      buffered: true,
      upstream: (request, response) => {
        requests += 1
        response.writeHead(307, { location: request.url === '/mcp' ? '/mcp/' : '/mcp' }).end()
      },
    })
    expect((await fetch(rig.url, { redirect: 'manual' })).status).toBe(502)
    expect(requests).toBe(2)
  })
})

describe('request bodies', () => {
  it('beyond the limit are refused, announced or not, and the connection is closed (P-20, B235)', async () => {
    const rig = await startRig({
      maxBodyBytes: 10,
      upstream: async (request) => void (await buffer(request).catch(() => {})),
    })
    const announced = await rawClient(rig.port, rawPost('12345678901'))
    expect(await announced.until('body_too_large')).toMatch(/connection: close/i)
    await announced.closed()
    const chunked = await rawClient(
      rig.port,
      'POST /route HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n',
    )
    expect(await chunked.until('body_too_large')).toMatch(/connection: close/i)
    await chunked.closed()
  })

  it('up to the limit pass (P-20)', async () => {
    const rig = await startRig({
      maxBodyBytes: 10,
      upstream: async (request, response) => void response.end(await text(request)),
    })
    expect(await (await fetch(rig.url, { method: 'POST', body: '1234567890' })).text()).toBe('1234567890')
  })

  it.each(['GET', 'DELETE'])('of %s are not forwarded, and what follows is not swallowed (B232)', async (method) => {
    const seen: string[] = []
    const rig = await startRig({
      upstream: async (request, response) => {
        seen.push(`${request.method} ${request.headers['content-length'] ?? '-'} ${await text(request)}`)
        response.end('done')
      },
    })
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: g\r\n\r\n'
    const client = await rawClient(
      rig.port,
      `${method} /route HTTP/1.1\r\nHost: g\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    )
    await client.until('done')
    client.socket.write(RAW_GET)
    await rig.nextOutcome()
    await rig.nextOutcome()
    expect(seen).toEqual([`${method} - `, 'GET - '])
  })

  it('that are not complete when the answer is: the connection is closed, the rest is never a request (B235)', async () => {
    const seen: (string | undefined)[] = []
    const rig = await startRig({
      upstream: (request, response) => {
        seen.push(request.url)
        response.writeHead(200, { 'content-length': 5 }).end('early')
      },
    })
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: g\r\n\r\n'
    const client = await rawClient(rig.port, 'POST /route HTTP/1.1\r\nHost: g\r\nContent-Length: 1000\r\n\r\nbegin')
    expect(await client.until('early')).toMatch(/connection: close/i)
    client.socket.write(smuggled)
    await client.closed()
    expect(client.received().match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(seen).toEqual(['/mcp'])
  })

  it('that are complete keep the connection open for the next request', async () => {
    const rig = await startRig({ upstream: async (request, response) => void response.end(await text(request)) })
    const client = await rawClient(rig.port, rawPost('one'))
    await client.until('one')
    client.socket.write(rawPost('two'))
    expect((await client.until('two')).match(/HTTP\/1\.1 200/g)).toHaveLength(2)
  })
})
