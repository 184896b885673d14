import dns from 'node:dns'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createPool, type Pool } from '../../../src/gateway/http1/pool.ts'
import { type PlainServer, startPlainServer } from '../../fixtures/plain-server.ts'

type Answer = (error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]) => void

let server: PlainServer
const pools: Pool[] = []
/** Questions to the system, and who waits for their answers. */
let asked: { readonly name: string; readonly answer: Answer }[]
/** What becomes of a question; by default it is answered at once. */
let dnsServer: (answer: Answer) => void

const found = (answer: Answer) => answer(null, [{ address: '127.0.0.1', family: 4 }])
const failing = (code: string) => (answer: Answer) => answer(Object.assign(new Error(code), { code }), [])
const silent = () => {}

beforeAll(async () => {
  server = await startPlainServer((_, response) => response.end('{}'))
})
beforeEach(() => {
  asked = []
  dnsServer = found
  vi.spyOn(dns, 'lookup').mockImplementation(((name: string, _options: unknown, answer: Answer) => {
    asked.push({ name, answer })
    dnsServer(answer)
  }) as never)
})
afterEach(() => {
  vi.restoreAllMocks()
  for (const pool of pools.splice(0)) pool.destroy()
})
afterAll(() => server.close())

/** Asks a server of that name, over a connection of its own; resolves to the status, or the code of the error. */
function ask(name: string): Promise<number | string | undefined> {
  const url = new URL(server.url)
  url.hostname = name
  const pool = createPool(url, 10_000)
  pools.push(pool)
  return new Promise((resolve) => {
    pool.dispatch(
      { method: 'GET', path: '/mcp', headers: {}, answerTimeoutMs: 0 },
      {
        onStart() {},
        onHead: (_, status) => resolve(status),
        onData: () => true,
        onEnd() {},
        onError: (error) => resolve((error as NodeJS.ErrnoException).code),
      },
    )
  })
}

describe('a DNS server that does not answer (C67)', () => {
  it('is asked once for a name, however many wait, and other names are found meanwhile', async () => {
    dnsServer = silent
    const waiting = Array.from({ length: 50 }, () => ask('silent.test'))
    dnsServer = found
    expect(await ask('other.test')).toBe(200)
    expect(asked.map(({ name }) => name)).toEqual(['silent.test', 'other.test'])
    const [first] = asked
    if (first) found(first.answer)
    expect(await Promise.all(waiting)).toEqual(Array(50).fill(200))
  })

  it.each([
    ['is silent', silent],
    ['says that it cannot answer now', failing('EAI_AGAIN')],
  ])('keeps nobody from a server that was found a moment ago: it %s', async (what, trouble) => {
    const name = `${what.replaceAll(' ', '-')}.test`
    expect(await ask(name)).toBe(200)
    dnsServer = trouble
    expect(await Promise.all([ask(name), ask(name)])).toEqual([200, 200])
  })

  it('is believed when it says that there is no such name any more', async () => {
    expect(await ask('gone.test')).toBe(200)
    dnsServer = failing('ENOTFOUND')
    expect(await ask('gone.test')).toBe('ENOTFOUND')
    dnsServer = failing('EAI_AGAIN')
    expect(await ask('gone.test')).toBe('EAI_AGAIN')
    dnsServer = found
    expect(await ask('gone.test')).toBe(200)
  })
})

it('names of the hosts file are found (C67)', async () => {
  vi.restoreAllMocks()
  expect(await ask('localhost')).toBe(200)
})
