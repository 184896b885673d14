import { beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../fixtures/http-exchange.ts'
import { type Rig, startRig } from './rig.ts'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

let rig: Rig
let single: Rig
beforeAll(async () => {
  ;[rig, single] = [await startRig(), await startRig({ onlyOne: true })]
  return () => Promise.all([rig.close(), single.close()])
})

describe('the metadata of a route', () => {
  it.each(['/r1/mcp', '/r2/mcp', '/home'])(
    'describes %s as the URL that users configure (D-01, D-03, D-04, D-05)',
    async (path) => {
      const answer = await ask(`${rig.issuer}${WELL_KNOWN}${path}`)
      expect(answer.status).toBe(200)
      expect(answer.headers['content-type']).toMatch(/^application\/json/)
      expect(answer.json().resource).toBe(`${rig.issuer}${path}`)
    },
  )

  it('names the issuer byte for byte as the authorization server does (D-02, B001)', async () => {
    const server = (await ask(`${rig.issuer}/.well-known/oauth-authorization-server`)).json()
    const { authorization_servers } = (await ask(`${rig.issuer}${WELL_KNOWN}/r1/mcp`)).json()
    expect(authorization_servers).toEqual([server.issuer])
  })

  it('lists what basic use needs and never offline_access (D-09, D-10)', async () => {
    const { scopes_supported } = (await ask(`${rig.issuer}${WELL_KNOWN}/r1/mcp`)).json()
    expect(scopes_supported).toEqual(['mcp'])
  })

  it('says that tokens go in the header, has a name, and leaves no list empty (D-11, D-12)', async () => {
    const document = (await ask(`${rig.issuer}${WELL_KNOWN}/r1/mcp`)).json()
    expect(document).toMatchObject({ bearer_methods_supported: ['header'], resource_name: 'Server one' })
    for (const value of Object.values(document)) expect(value).not.toEqual([])
  })

  it('says nothing about DPoP, which does not exist here (D-14)', async () => {
    const { body } = await ask(`${rig.issuer}${WELL_KNOWN}/r1/mcp`)
    expect(body).not.toContain('dpop')
  })

  it('is asked for without a token and without a redirect, and may be kept for minutes (D-07, D-16)', async () => {
    const answer = await ask(`${rig.issuer}${WELL_KNOWN}/r1/mcp`)
    expect(answer.status).toBe(200)
    const maxAge = /^public, max-age=(\d+)$/.exec(answer.headers['cache-control'] ?? '')?.[1]
    expect(Number(maxAge)).toBeGreaterThan(0)
    expect(Number(maxAge)).toBeLessThanOrEqual(900)
  })

  it.each<[string, Record<string, string>]>([
    ['MCP-Protocol-Version', { 'mcp-protocol-version': '2025-03-26' }],
    ['an unknown MCP-Protocol-Version', { 'mcp-protocol-version': 'tomorrow' }],
    ['a dead token', { authorization: 'Bearer mgh_at_dead' }],
    ['a foreign Origin', { origin: 'https://evil.example' }],
    ['a list of what is accepted', { accept: 'text/html' }],
  ])('is the same bytes for a request with %s (D-16, D-17)', async (_, headers) => {
    const plain = await ask(`${rig.issuer}${WELL_KNOWN}/r1/mcp`)
    const other = await ask(`${rig.issuer}${WELL_KNOWN}/r1/mcp?issuer=https://evil.example&resource=x`, { headers })
    expect(other.status).toBe(200)
    expect(other.body).toBe(plain.body)
  })
})

describe('elsewhere there is nothing', () => {
  it.each(['', '/', '/r1', '/r1/mcp2', '/r1/MCP', '/r1/mcp/x', '/nowhere'])(
    'answers 404 in JSON for the metadata of %j on a host with several routes (D-06, D-07)',
    async (path) => {
      const answer = await ask(`${rig.issuer}${WELL_KNOWN}${path}`)
      expect(answer.status).toBe(404)
      expect(answer.headers['content-type']).toMatch(/^application\/json/)
      expect(answer.headers.location).toBeUndefined()
    },
  )

  it('answers for the root of a host with one route, with that route’s exact URL (D-06)', async () => {
    const root = await ask(`${single.issuer}${WELL_KNOWN}`)
    expect(root.status).toBe(200)
    expect(root.json().resource).toBe(single.one)
    expect(root.body).toBe((await ask(`${single.issuer}${WELL_KNOWN}/r1/mcp`)).body)
  })

  it.each([
    '/r1/mcp/.well-known/oauth-protected-resource',
    '/r1/mcp/.well-known/openid-configuration',
    '/r1/mcp/authorize',
    '/r1/mcp/token',
    '/r1/mcp/register',
  ])('keeps %s of the MCP server out of reach (D-13)', async (path) => {
    expect((await ask(`${rig.issuer}${path}`)).status).toBe(404)
    expect((await ask(`${rig.issuer}${path}`, { body: {} })).status).toBe(404)
    expect(rig.forwarded).toEqual([])
  })
})

it('stays up when provider and MCP servers are gone (D-08)', async () => {
  rig.identityProvider.setMode({ discovery: 'unavailable', jwks: 'unavailable' })
  expect((await ask(`${rig.issuer}${WELL_KNOWN}/r1/mcp`)).status).toBe(200)
  rig.identityProvider.setMode({ discovery: 'ok', jwks: 'ok' })
})

it.each(['evil.example', '127.0.0.1', 'localhost:1'])('does not answer for the host %s (D-15, B259)', async (host) => {
  const answer = await ask(`${rig.issuer}${WELL_KNOWN}/r1/mcp`, { headers: { host } })
  expect(answer.status).toBe(421)
  expect(answer.body).not.toContain(host)
})
