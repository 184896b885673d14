import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { buildConnector } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createEgress, type EgressOptions, type Fetched } from '../../src/http/egress.ts'
import { type DocumentServer, startDocumentServer } from '../fixtures/document-server.ts'

const PUBLIC = '93.184.215.14'
const OTHER_PUBLIC = '2606:4700::1111'
const ASKED = { maxBytes: 5120, timeoutMs: 1000, accept: 'application/json' }

let server: DocumentServer
let elsewhere: DocumentServer
/** What a connection was opened to, and which name had to be proven there. */
let targets: { address: string; name: string | undefined }[]

beforeAll(async () => {
  server = await startDocumentServer(['client.example', 'localhost'])
  elsewhere = await startDocumentServer(['other.example'])
})
afterAll(async () => {
  await Promise.all([server.close(), elsewhere.close()])
})
beforeEach(() => {
  targets = []
  server.answers.clear()
})

/** An egress whose vetted connections all lead to `to`, and whose names resolve to `addresses`. */
function egress(addresses: readonly string[], options: Partial<EgressOptions> = {}, to = server) {
  const connect = buildConnector({ allowH2: false, maxCachedSessions: 0 })
  return createEgress({
    loopbackHosts: [],
    now: () => 0,
    resolve: async () => addresses,
    connect(target, callback) {
      targets.push({ address: target.hostname, name: target.servername })
      connect({ ...target, hostname: '127.0.0.1', port: String(to.port) }, callback)
    },
    ...options,
  })
}

function text(fetched: Fetched): string {
  return fetched.outcome === 'answered' ? Buffer.from(fetched.body).toString() : `${fetched.outcome}: ${fetched.reason}`
}

describe('where the guarded client connects (R-35, R-36, X-03)', () => {
  it('connects to the vetted address and proves the name there', async () => {
    server.publish('/client', { fine: true })
    expect(text(await egress([PUBLIC]).get('https://client.example/client', ASKED))).toBe('{"fine":true}')
    expect(targets).toEqual([{ address: PUBLIC, name: 'client.example' }])
    expect(server.seen.at(-1)?.host).toBe('client.example')
  })

  it('asks for the name once, so that a second answer cannot lead anywhere else (B040: rebinding)', async () => {
    server.publish('/client', {})
    const answers = [[PUBLIC], ['127.0.0.1'], ['169.254.169.254']]
    let asked = 0
    const guarded = egress([], { resolve: async () => answers[asked++] ?? [] })
    expect(text(await guarded.get('https://client.example/client', ASKED))).toBe('{}')
    expect(asked).toBe(1)
    expect(targets.map(({ address }) => address)).toEqual([PUBLIC])
    expect(text(await guarded.get('https://client.example/client', ASKED))).toBe('refused: address_not_public')
    expect(targets).toHaveLength(1)
  })

  it('tries only vetted addresses when the first one does not answer (B040: fallback)', async () => {
    server.publish('/client', {})
    const guarded = egress([OTHER_PUBLIC, PUBLIC], {
      connect(target, callback) {
        targets.push({ address: target.hostname, name: target.servername })
        if (target.hostname === OTHER_PUBLIC) return callback(new Error('unreachable'), null)
        buildConnector({})({ ...target, hostname: '127.0.0.1', port: String(server.port) }, callback)
      },
    })
    expect(text(await guarded.get('https://client.example/client', ASKED))).toBe('{}')
    expect(targets.map(({ address }) => address)).toEqual([OTHER_PUBLIC, PUBLIC])
  })

  it.each([
    ['a private address', ['10.0.0.1']],
    ['cloud metadata', ['169.254.169.254']],
    ['loopback', ['127.0.0.1']],
    ['loopback in IPv6 clothes', ['::ffff:127.0.0.1']],
    ['NAT64 of a private address', ['64:ff9b::a00:1']],
    ['a public and a private one', [PUBLIC, '192.168.0.1']],
    ['a public one and a private one in the other family', [PUBLIC, 'fd00::1']],
    ['something that is no address', ['localhost']],
  ])('refuses a name that resolves to %s, without a connection (B038, B039)', async (_, addresses) => {
    expect(text(await egress(addresses).get('https://client.example/client', ASKED))).toBe(
      'refused: address_not_public',
    )
    expect(targets).toEqual([])
  })

  it.each([
    'https://127.0.0.1/x',
    'https://[::1]/x',
    'https://[::ffff:7f00:1]/x',
    'https://10.1.2.3/x',
    'https://2130706433/x',
  ])('refuses %s without asking for a name (B038)', async (url) => {
    const guarded = egress([], { resolve: () => Promise.reject(new Error('asked for a name')) })
    expect(text(await guarded.get(url, ASKED))).toBe('refused: address_not_public')
    expect(targets).toEqual([])
  })

  it.each([
    'http://client.example/client',
    'ftp://client.example/',
    'file:///etc/passwd',
    'https://a:b@client.example/',
    'x',
  ])('refuses %s', async (url) => {
    expect(text(await egress([PUBLIC]).get(url, ASKED))).toBe('refused: not_https')
    expect(targets).toEqual([])
  })

  it('does not talk to a server that cannot prove the name (R-36)', async () => {
    elsewhere.publish('/client', {})
    const before = elsewhere.seen.length
    const wrong = egress([PUBLIC], {}, elsewhere)
    expect(text(await wrong.get('https://client.example/client', ASKED))).toBe('failed: not_connected')
    expect(elsewhere.seen.length).toBe(before)
    expect(text(await wrong.get('https://other.example/client', ASKED))).toBe('{}')
  })

  it('reaches this computer only by a host that was listed for it (R-35)', async () => {
    server.publish('/client', {})
    const url = `https://localhost:${server.port}/client`
    const real = (loopbackHosts: readonly string[]) => createEgress({ loopbackHosts, now: () => 0 })
    expect(text(await real(['localhost']).get(url, ASKED))).toBe('{}')
    expect(text(await real([`localhost:${server.port}`]).get(url, ASKED))).toBe('{}')
    const before = server.connections()
    for (const hosts of [[], ['localhost:1'], ['127.0.0.1'], ['host']])
      expect((await real(hosts).get(url, ASKED)).outcome).not.toBe('answered')
    expect(text(await egress(['10.0.0.1'], { loopbackHosts: ['localhost'] }).get(url, ASKED))).toBe(
      'refused: address_not_public',
    )
    expect(server.connections()).toBe(before)
  })

  it('reaches this computer by its address too, and nothing that cannot prove to be what was asked for (R-36)', async () => {
    const local = await startDocumentServer()
    local.publish('/client', {})
    const real = createEgress({ loopbackHosts: ['localhost', '127.0.0.1'], now: () => 0 })
    expect(text(await real.get(`https://127.0.0.1:${local.port}/client`, ASKED))).toBe('{}')
    elsewhere.publish('/client', {})
    const before = elsewhere.seen.length
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    try {
      for (const host of ['localhost', '127.0.0.1'])
        expect(text(await real.get(`https://${host}:${elsewhere.port}/client`, ASKED))).toBe('failed: not_connected')
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
      await local.close()
    }
    expect(elsewhere.seen.length).toBe(before)
  })

  it('ignores the proxies of the environment (B055)', async () => {
    server.publish('/client', {})
    const saved = { ...process.env }
    Object.assign(process.env, {
      HTTPS_PROXY: 'http://127.0.0.1:9',
      https_proxy: 'http://127.0.0.1:9',
      NODE_USE_ENV_PROXY: '1',
    })
    try {
      expect(text(await egress([PUBLIC]).get('https://client.example/client', ASKED))).toBe('{}')
    } finally {
      process.env = saved
    }
  })
})

describe('what the guarded client takes (R-32, R-37)', () => {
  const get = (path = '/client') => egress([PUBLIC]).get(`https://client.example${path}`, ASKED)

  it('sends no credentials and asks for nothing compressed', async () => {
    server.publish('/client', {})
    await get()
    const { headers } = server.seen.at(-1) ?? {}
    expect(headers).toMatchObject({ accept: 'application/json', 'accept-encoding': 'identity' })
    for (const name of ['cookie', 'authorization', 'referer', 'proxy-authorization'])
      expect(headers).not.toHaveProperty(name)
  })

  it.each([301, 302, 303, 307, 308])('does not follow a %d (B041)', async (status) => {
    const to = [`https://localhost:${server.port}/sink`, 'http://127.0.0.1/sink', 'https://client.example/client']
    for (const location of to) {
      server.answers.set('/client', (_, response) => response.writeHead(status, { location }).end('{}'))
      const fetched = await get()
      expect(fetched).toMatchObject({ outcome: 'answered', status })
      expect(text(fetched)).toBe('')
    }
    expect(server.seen.some(({ path }) => path === '/sink')).toBe(false)
  })

  it('takes a body of exactly the limit and not a byte more (B043)', async () => {
    const body = (size: number) => server.answers.set('/client', (_, response) => response.end('x'.repeat(size)))
    body(5120)
    expect(text(await get())).toHaveLength(5120)
    body(5121)
    expect(text(await get())).toBe('refused: too_large')
  })

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['a long chunked body', (response) => void endless(response, 1024), /too_large/],
    ['a body of one byte at a time', (response) => void endless(response, 1), /timed_out/],
    [
      'header lines without end',
      (response) => void drip(response, 'HTTP/1.1 200 OK\r\n', 'x-more: 1\r\n'),
      /timed_out|broken/,
    ],
    [
      '100 KB of header lines',
      (response) => void response.writeHead(200, { x: 'y'.repeat(100_000) }).end('{}'),
      /broken/,
    ],
    [
      'interim answers without end',
      (response) => void drip(response, '', 'HTTP/1.1 103 Early Hints\r\n\r\n'),
      /timed_out/,
    ],
    ['nothing', () => undefined, /timed_out/],
    ['a hang-up', (response) => void response.destroy(), /broken/],
    [
      'less than was promised',
      (response) => {
        response.writeHead(200, { 'content-length': '100' }).write('{}')
        response.flushHeaders()
        setImmediate(() => response.destroy())
      },
      /broken/,
    ],
    [
      'a huge promise',
      (response) => void response.writeHead(200, { 'content-length': '1000000' }).flushHeaders(),
      /too_large/,
    ],
    ['something that is not HTTP', (response) => void response.socket?.end('SSH-2.0-x\r\n'), /broken/],
  ])('gives up on %s within its time (B043)', async (_, answer, expected) => {
    server.answers.set('/client', (_request, response) => answer(response))
    expect(text(await get())).toMatch(expected)
  })

  it.each([['gzip'], ['br'], ['gzip, gzip, gzip'], ['x-unknown']])(
    'refuses a body encoded with %s (B043, B056)',
    async (encoding) => {
      server.answers.set('/client', (_, response) =>
        response.writeHead(200, { 'content-encoding': encoding }).end(gzipSync(Buffer.alloc(1_000_000))),
      )
      expect(text(await get())).toBe('refused: encoded')
      server.answers.set('/client', (_, response) =>
        response.writeHead(200, { 'content-encoding': 'identity' }).end('{}'),
      )
      expect(text(await get())).toBe('{}')
    },
  )

  it('reads no more than was promised when more is sent (B043)', async () => {
    server.answers.set('/client', (_, response) => {
      response.socket?.end(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}${'x'.repeat(100_000)}`)
    })
    expect(text(await get())).toMatch(/^\{\}$|broken/)
  })

  it('gives up on a name that nobody answers for (B039)', async () => {
    const hanging = egress([], { resolve: () => new Promise(() => undefined) })
    expect(text(await hanging.get('https://client.example/client', { ...ASKED, timeoutMs: 50 }))).toBe(
      'failed: timed_out',
    )
    const missing = egress([], { resolve: () => Promise.reject(new Error('NXDOMAIN')) })
    expect(text(await missing.get('https://client.example/client', ASKED))).toBe('failed: name_not_resolved')
  })
})

describe('how much the guarded client lets itself be used (R-41, B050)', () => {
  it('asks one host at most 20 times a minute, and others all the same', async () => {
    let now = 0
    server.publish('/client', {})
    const guarded = egress([PUBLIC], { now: () => now })
    const get = (host: string) => guarded.get(`https://${host}/client`, ASKED)
    for (let count = 0; count < 20; count += 1) expect((await get('client.example')).outcome).toBe('answered')
    expect(text(await get('client.example'))).toBe('busy: too_many_to_host')
    expect(targets).toHaveLength(20)
    expect((await get('localhost')).outcome).toBe('answered')
    now = 60_001
    expect((await get('client.example')).outcome).toBe('answered')
  })

  it('asks one address at most 60 times a minute, whatever names lead to it', async () => {
    const guarded = egress([PUBLIC], { connect: (_, callback) => callback(new Error('unreachable'), null) })
    const outcomes: string[] = []
    for (let count = 0; count < 61; count += 1)
      outcomes.push(text(await guarded.get(`https://n${count}.example/`, ASKED)))
    expect(outcomes.filter((outcome) => outcome === 'failed: not_connected')).toHaveLength(60)
    expect(outcomes.at(-1)).toBe('busy: too_many_to_host')
  })

  it('fetches at most 30 times a minute for one caller, and for others all the same', async () => {
    const guarded = egress([], { resolve: () => Promise.reject(new Error('NXDOMAIN')) })
    const get = (count: number, caller: string) => guarded.get(`https://n${count}.example/`, { ...ASKED, caller })
    for (let count = 0; count < 30; count += 1) expect((await get(count, 'one')).outcome).toBe('failed')
    expect(text(await get(31, 'one'))).toBe('busy: too_many_for_caller')
    expect(text(await get(32, 'other'))).toBe('failed: name_not_resolved')
  })

  it('asks one host at most 6 times a minute for one caller, so that others still get through', async () => {
    server.publish('/client', {})
    const guarded = egress([PUBLIC])
    const get = (caller: string) => guarded.get('https://client.example/client', { ...ASKED, caller })
    for (let count = 0; count < 6; count += 1) expect((await get('one')).outcome).toBe('answered')
    for (let count = 0; count < 20; count += 1) expect(text(await get('one'))).toBe('busy: too_many_for_caller')
    expect((await get('other')).outcome).toBe('answered')
  })

  it('does 32 things at once and says so to the next, until one is done', async () => {
    const release: (() => void)[] = []
    const resolve = () => new Promise<string[]>((done) => release.push(() => done([])))
    const guarded = egress([], { resolve })
    const waiting = Array.from({ length: 32 }, (_, count) => guarded.get(`https://n${count}.example/`, ASKED))
    expect(text(await guarded.get('https://late.example/', ASKED))).toBe('busy: too_many_at_once')
    for (const done of release) done()
    await Promise.all(waiting)
    const late = guarded.get('https://late.example/', ASKED)
    release.at(-1)?.()
    expect((await late).outcome).toBe('failed')
  })
})

function endless(response: ServerResponse, size: number): void {
  response.writeHead(200)
  repeat(response, () => response.write('x'.repeat(size)))
}

function drip(response: ServerResponse, first: string, more: string): void {
  response.socket?.write(first)
  repeat(response, () => response.socket?.write(more))
}

function repeat(response: ServerResponse, step: () => void): void {
  const timer = setInterval(step, 5)
  response.socket?.on('close', () => clearInterval(timer))
}
