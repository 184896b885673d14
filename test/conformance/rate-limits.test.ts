import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Answer, ask } from '../fixtures/http-exchange.ts'
import { callRoute, obtainTokens, REDIRECT_URI, refresh, register } from '../fixtures/oauth-requests.ts'
import { type Rig, startRig } from './rig.ts'

const LIMITS = { registrations: 3, pages: 12, token_requests: 9 }
const METADATA = { client_name: 'x', redirect_uris: [REDIRECT_URI] }

let rig: Rig
beforeAll(async () => {
  rig = await startRig({ yaml: { limits: LIMITS, trusted_proxies: ['127.0.0.1'] } })
})
afterAll(() => rig.close())

/** From a client at this address, behind the trusted proxy. */
function from(address: string) {
  return { 'x-forwarded-for': address }
}

async function until429(send: () => Promise<Answer>, most: number): Promise<{ readonly good: number; last: Answer }> {
  for (let good = 0; good <= most; good += 1) {
    const last = await send()
    if (last.status === 429) return { good, last }
  }
  throw new Error(`${most} requests and no 429`)
}

function expectRetryAfter(answer: Answer): void {
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
  expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60)
  expect(answer.headers['cache-control']).toBe('no-store')
}

it('the fourth registration of three is 429 JSON with Retry-After (R-12, X-17, RFC 6585 §4)', async () => {
  const { good, last } = await until429(
    () => ask(`${rig.issuer}/register`, { body: METADATA, headers: from('192.0.2.1') }),
    LIMITS.registrations,
  )
  expect(good).toBe(LIMITS.registrations)
  expect(last.json()).toEqual({ error: 'temporarily_unavailable', error_description: expect.any(String) })
  expectRetryAfter(last)
  expect(last.headers['access-control-allow-origin']).toBe('*')
})

it('the token endpoint and its neighbours share one budget, refused in JSON that keeps SDK clients signed in (T-24, T-04)', async () => {
  let turn = 0
  const paths = ['/token', '/revoke', '/introspect']
  const { good, last } = await until429(() => {
    turn += 1
    return ask(`${rig.issuer}${paths[turn % 3]}`, { body: new URLSearchParams({}), headers: from('192.0.2.1') })
  }, LIMITS.token_requests)
  expect(good).toBe(LIMITS.token_requests)
  expect(last.json().error).toBe('temporarily_unavailable')
  expectRetryAfter(last)
})

it('pages are refused as pages (X-17)', async () => {
  const { good, last } = await until429(
    () => ask(`${rig.issuer}/authorize`, { headers: from('192.0.2.1') }),
    LIMITS.pages,
  )
  expect(good).toBe(LIMITS.pages)
  expect(last.headers['content-type']).toMatch(/^text\/html/)
  expect(last.body).toContain('Too many requests')
  expectRetryAfter(last)
})

it('counts each address for itself: others register, sign in and refresh meanwhile (X-17, T-24)', async () => {
  const client = await register(rig.issuer)
  const tokens = await obtainTokens(rig.issuer, client, { resource: rig.one })
  expect((await refresh(rig.issuer, client, tokens.refreshToken)).status).toBe(200)
})

it('believes nobody about an address who is no trusted proxy, and counts /64 networks as one (X-17, D-15, X-08)', async () => {
  const register = (address: string) => ask(`${rig.issuer}/register`, { body: METADATA, headers: from(address) })
  // Only the nearest untrusted hop counts; what stands before it is the client's own word.
  let host = 0
  const { good } = await until429(() => {
    host += 1
    return register(`203.0.113.${host}, 192.0.2.9`)
  }, LIMITS.registrations)
  expect(good).toBe(LIMITS.registrations)
  const network = await until429(() => {
    host += 1
    return register(`2001:db8::${host}`)
  }, LIMITS.registrations)
  expect(network.good).toBe(LIMITS.registrations)
  expect((await register('2001:db8:0:1::1')).status).toBe(201)
})

it('discovery and routes are not limited (D-08)', async () => {
  const headers = from('192.0.2.1')
  for (let turn = 0; turn < 20; turn += 1) {
    expect((await ask(`${rig.issuer}/.well-known/oauth-authorization-server`, { headers })).status).toBe(200)
    expect((await callRoute(rig.one, undefined, headers)).status).toBe(401)
  }
})
