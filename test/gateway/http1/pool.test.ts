import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createPool, type Pool } from '../../../src/gateway/http1/pool.ts'
import type { RequestControl, UpstreamRequest } from '../../../src/gateway/http1/request.ts'
import { makeCertificate } from '../../fixtures/certificate.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

let server: Server
let pool: Pool
/** Connections in the order in which they were made, with everything that came over each. */
let connections: { socket: Socket; received: string }[]
/** What the server does when something has come; by default it answers each request with {@link OK}. */
let onReceived: (socket: Socket, received: string) => void

beforeEach(async () => {
  connections = []
  onReceived = (socket) => socket.write(OK)
  server = createServer((socket) => {
    const connection = { socket, received: '' }
    connections.push(connection)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      connection.received += chunk.toString('latin1')
      onReceived(socket, connection.received)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  pool = createPool(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), 1000)
})

afterEach(() => {
  vi.useRealTimers()
  pool.destroy()
  for (const { socket } of connections) socket.destroy()
  server.close()
})

/** Sends a request and resolves to its status and body, or to the code of its error. */
function ask(
  over: Partial<UpstreamRequest> = {},
  onStart: (control: RequestControl) => void = () => {},
): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    pool.dispatch(
      { method: 'POST', path: '/mcp', headers: {}, answerTimeoutMs: 0, ...over },
      {
        onStart,
        onHead(_, status) {
          answer = `${status} `
        },
        onData(_, chunk) {
          answer += chunk.toString('latin1')
          return true
        },
        onEnd: () => resolve(answer),
        onError: (error) => resolve((error as NodeJS.ErrnoException).code ?? error.name),
      },
    )
  })
}

describe('a connection', () => {
  it('carries one request after another', async () => {
    expect(await ask()).toBe('200 ok')
    expect(await ask()).toBe('200 ok')
    expect(connections).toHaveLength(1)
  })

  it('carries one at a time: two at once take two', async () => {
    expect(await Promise.all([ask(), ask()])).toEqual(['200 ok', '200 ok'])
    expect(connections).toHaveLength(2)
  })

  it('over which bytes came that nobody asked for is given up, and they are nobody’s answer (B234)', async () => {
    onReceived = (socket) => socket.write(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged`)
    expect(await ask()).toBe('200 ok')
    onReceived = (socket) => socket.write(OK)
    expect(await ask()).toBe('200 ok')
    expect(connections).toHaveLength(2)
  })

  it('over which they come later is given up as well (B234)', async () => {
    expect(await ask()).toBe('200 ok')
    const [first] = connections
    const closed = first && once(first.socket, 'close')
    first?.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged')
    await closed
    expect(await ask()).toBe('200 ok')
    expect(connections).toHaveLength(2)
  })

  it('that the server closed is not used again (C35)', async () => {
    expect(await ask()).toBe('200 ok')
    const [first] = connections
    const closed = first && once(first.socket, 'close')
    first?.socket.end()
    await closed
    expect(await ask()).toBe('200 ok')
    expect(connections).toHaveLength(2)
  })

  it('that the server closed after a while, unnoticed so far, is not used again either (P-33, C35)', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    expect(await ask()).toBe('200 ok')
    vi.advanceTimersByTime(500)
    // The end has arrived when this returns, and nobody has looked yet.
    connections[0]?.socket.destroy()
    expect(await ask()).toBe('200 ok')
    expect(connections).toHaveLength(2)
  })

  it.each([
    [1000, 1],
    [1500, 2],
  ])(
    'whose server does not say how long it keeps it is still used after %d ms, or not: gunicorn closes after 2 s (C35)',
    async (ms, expected) => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
      expect(await ask()).toBe('200 ok')
      vi.advanceTimersByTime(ms)
      expect(await ask()).toBe('200 ok')
      expect(connections).toHaveLength(expected)
    },
  )

  it.each([
    ['says it closes', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok', 2],
    ['keeps it for no time', 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 2\r\n\r\nok', 2],
    ['keeps it for a minute', 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: 2\r\n\r\nok', 1],
  ])('whose server %s is used accordingly (RFC 9112 §9.3, C35)', async (_, answer, expected) => {
    onReceived = (socket) => socket.write(answer)
    await ask()
    await ask()
    expect(connections).toHaveLength(expected)
  })
})

describe('a request', () => {
  it('of known length leaves in one piece, with its length', async () => {
    await ask({ body: Buffer.from('{"a":1}'), headers: { 'x-a': ['1', '2'] } })
    const lines = ['POST /mcp HTTP/1.1', expect.stringMatching(/^host: 127\.0\.0\.1:\d+$/), 'x-a: 1', 'x-a: 2']
    expect(connections[0]?.received.split('\r\n')).toEqual([...lines, 'content-length: 7', '', '{"a":1}'])
  })

  it.each(['a\r\nx-evil: 1', 'a\nb', 'a\0b', '\u{100}'])(
    'with the header value %j is not sent, not even begun (B198)',
    async (value) => {
      expect(await ask({ headers: { 'x-a': value } })).toBe('HEADER_NOT_SENDABLE')
      expect(connections).toEqual([])
      expect(await ask({ headers: { 'x-a': 'a b\tc\xe9' } })).toBe('200 ok')
    },
  )

  it('that is streamed goes in chunks, or as it is where its length is known (RFC 9112 §7.1)', async () => {
    onReceived = (socket, received) => {
      if (received.endsWith('0\r\n\r\n') || received.endsWith('end')) socket.write(OK)
    }
    const chunked = new PassThrough()
    chunked.write('begin ')
    const first = ask({ body: { stream: chunked } })
    chunked.end('end')
    expect(await first).toBe('200 ok')
    expect(connections[0]?.received).toMatch(
      /transfer-encoding: chunked\r\n\r\n(?:9\r\nbegin end|6\r\nbegin \r\n3\r\nend)\r\n0\r\n\r\n$/,
    )
    const counted = new PassThrough()
    counted.end('the end')
    expect(await ask({ body: { stream: counted, length: 7 } })).toBe('200 ok')
    expect(connections[0]?.received).toMatch(/content-length: 7\r\n\r\nthe end$/)
  })

  it.each([3, 30])('whose body is not as long as it says (%d) is never completed (B230)', async (length) => {
    onReceived = () => {}
    const stream = new PassThrough()
    stream.end('the end')
    expect(await ask({ body: { stream, length } })).toBe('BODY_LENGTH_WRONG')
  })

  it('whose body broke off before there was a connection is not completed', async () => {
    const stream = new PassThrough()
    stream.on('error', () => {}).destroy(Object.assign(new Error('too large'), { code: 'TOO_LARGE' }))
    expect(await ask({ body: { stream } })).toBe('TOO_LARGE')
  })

  it('that is given up in the last moment does not reach the server', async () => {
    expect(await ask()).toBe('200 ok')
    const before = connections[0]?.received
    void ask({}, (control) => control.abort())
    expect(await ask()).toBe('200 ok')
    expect(connections[0]?.received).toBe(before)
  })

  it.each(['abort', 'pause'] as const)(
    'that has been answered can no longer %s what its connection carries (B238)',
    async (act) => {
      let control: RequestControl | undefined
      expect(await ask({}, (given) => (control = given))).toBe('200 ok')
      // The next one is on the way over the same connection.
      onReceived = (socket) => {
        control?.[act]()
        setImmediate(() => socket.write(OK))
      }
      expect(await ask()).toBe('200 ok')
      expect(connections).toHaveLength(1)
    },
  )

  it('whose end cannot be dealt with hears of it, and nobody else does', async () => {
    const heard = new Promise<string>((resolve) => {
      pool.dispatch(
        { method: 'POST', path: '/mcp', headers: {}, answerTimeoutMs: 0 },
        {
          onStart() {},
          onHead() {},
          onData: () => true,
          onEnd() {
            throw new Error('no room')
          },
          onError: ({ message }) => resolve(message),
        },
      )
    })
    expect(await heard).toBe('no room')
    expect(await ask()).toBe('200 ok')
    expect(connections).toHaveLength(2)
  })

  it('that is overtaken by its answer leaves nothing behind for the next one (B235)', async () => {
    const stream = new PassThrough()
    stream.write('begin')
    const early = ask({ body: { stream, length: 100 } })
    expect(await early).toBe('200 ok')
    stream.end('GET /smuggled HTTP/1.1\r\n\r\n')
    expect(await ask()).toBe('200 ok')
    expect(connections).toHaveLength(2)
    expect(connections.map(({ received }) => received).join('')).not.toContain('smuggled')
  })

  it('that is overtaken before all of it has left does not leave its rest in front of the next one (B235, P-69)', async () => {
    onReceived = (socket, received) => {
      if (received.endsWith('x')) socket.pause()
      socket.write(OK)
    }
    // More than kernels take for somebody who does not read.
    expect(await ask({ body: Buffer.alloc(32 * 1024 * 1024, 'x') })).toBe('200 ok')
    expect(await ask()).toBe('200 ok')
    expect(connections).toHaveLength(2)
  })
})

describe('a server', () => {
  it.each([
    ['that closes without a word', (socket: Socket) => socket.end(), /^(CONNECTION_ENDED|ECONNRESET)$/],
    ['that resets', (socket: Socket) => socket.resetAndDestroy(), /^ECONNRESET$/],
    ['that speaks something else', (socket: Socket) => socket.write('220 smtp\r\n\r\n'), /^ANSWER_NOT_HTTP$/],
  ] as const)('%s gives no answer, and the reason is told', async (_, act, code) => {
    onReceived = (socket) => void act(socket)
    expect(await ask()).toMatch(code)
  })

  it('that does not answer in time gives none, and one that does is not disturbed (C31)', async () => {
    onReceived = () => {}
    expect(await ask({ answerTimeoutMs: 20 })).toBe('ANSWER_TIMEOUT')
    onReceived = (socket) => socket.write(OK)
    expect(await ask({ answerTimeoutMs: 60_000 })).toBe('200 ok')
  })
})

it('over TLS the certificate must be of that name and trusted, and then the answer comes (P-32)', async () => {
  const trusted = makeCertificate(['localhost', '127.0.0.1'])
  const secure = createTlsServer(trusted, (_, response) => void response.end('ok'))
  await once(secure.listen(0, '127.0.0.1'), 'listening')
  const { port } = secure.address() as AddressInfo
  const authorities = getCACertificates('default')
  try {
    for (const [host, trust, expected] of [
      ['localhost', [], 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      ['localhost', [trusted.cert], '200 ok'],
      ['127.0.0.1', [trusted.cert], '200 ok'],
      ['[::ffff:127.0.0.1]', [trusted.cert], 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ] as const) {
      setDefaultCACertificates([...authorities, ...trust])
      pool.destroy()
      pool = createPool(new URL(`https://${host}:${port}`), 1000)
      expect(await ask()).toBe(expected)
    }
  } finally {
    setDefaultCACertificates(authorities)
    secure.close()
    secure.closeAllConnections()
  }
})

it('a destroyed pool ends what is under way', async () => {
  onReceived = () => {}
  const under = ask({}, () => setImmediate(() => pool.destroy()))
  expect(await under).toBe('CONNECTION_ENDED')
})
