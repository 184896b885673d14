import { beforeAll, expect, it } from 'vitest'
import { ask } from '../fixtures/http-exchange.ts'
import { callRoute, obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { type Rig, startRig } from './rig.ts'

let rig: Rig
beforeAll(async () => {
  rig = await startRig({ onlyOne: true })
  return () => rig.close()
})

it('a client that knows the MCP URL alone finds metadata at the root of its origin (D-24, MCP 2025-03-26 §2.3.2)', async () => {
  const base = new URL(rig.one).origin
  const answer = await ask(`${base}/.well-known/oauth-authorization-server`, {
    headers: { 'mcp-protocol-version': '2025-03-26' },
  })
  expect(answer.json().issuer).toBe(base)
})

it('a client that reads no metadata finds the endpoints at the root (MCP 2025-03-26 §2.3.3)', async () => {
  const base = new URL(rig.one).origin
  for (const path of ['/authorize', '/token', '/register'])
    expect((await ask(`${base}${path}`, { method: path === '/authorize' ? 'GET' : 'POST' })).status).not.toBe(404)
})

it('a client that sends no resource gets a token for the only route (A-12)', async () => {
  const client = await register(rig.issuer)
  const tokens = await obtainTokens(rig.issuer, client, { resource: null })
  expect((await callRoute(rig.one, tokens.accessToken)).status).toBe(200)
})

it('a batch reaches the MCP server as it was sent (P-18, MCP 2025-03-26 transports)', async () => {
  const client = await register(rig.issuer)
  const { accessToken } = await obtainTokens(rig.issuer, client)
  const body = '[{"jsonrpc":"2.0","id":1,"method":"ping"}, {"jsonrpc":"2.0","id":2,"method":"ping"}]'
  rig.forwarded.length = 0
  const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }
  expect((await ask(rig.one, { body, headers })).status).toBe(200)
  expect(rig.forwarded.map((request) => request.body)).toEqual([body])
})
