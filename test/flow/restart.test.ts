import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { type OAuthClient, registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

let server: PlainServer
let gateway: SpawnedGateway
let client: OAuthClient
let resource: string

beforeAll(async () => {
  server = await startPlainServer((_, response) => void response.end('{}'))
  gateway = await spawnTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
  })
  client = await registerClient(gateway.issuer)
  resource = `${gateway.issuer}/mcp`
})

afterAll(async () => {
  await gateway?.close()
  await server?.close()
})

async function killAndRestart(): Promise<void> {
  await gateway.kill()
  await expect(callMcp(resource, 'x')).rejects.toThrow()
  await gateway.restart()
}

/** Sends a refresh and leaves as soon as the gateway has begun to answer, without reading a token out of it. */
async function refreshAndLoseAnswer(refreshToken: string): Promise<void> {
  const { hostname, port, host } = new URL(gateway.issuer)
  const form = { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: client.clientId }
  const body = new URLSearchParams(form).toString()
  const socket = connect(Number(port), hostname)
  const type = 'Content-Type: application/x-www-form-urlencoded'
  socket.write(`POST /token HTTP/1.1\r\nHost: ${host}\r\n${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const [answer] = await once(socket, 'data')
  socket.destroy()
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /)
}

describe('after kill -9 and a restart', () => {
  it('tokens, refresh and the registration of the client still work (X-12, T-13)', async () => {
    const tokens = await client.obtain(resource, ALICE)
    await killAndRestart()
    expect((await callMcp(resource, tokens.access_token)).status).toBe(200)
    const refreshed = await client.refresh(tokens.refresh_token)
    expect(refreshed.status).toBe(200)
    expect((await callMcp(resource, refreshed.access_token)).status).toBe(200)
    expect((await client.obtain(resource, ALICE)).status).toBe(200)
  })

  it('a refresh whose answer was lost can be asked for again with the old token (T-12, T-13)', async () => {
    const tokens = await client.obtain(resource, ALICE)
    await refreshAndLoseAnswer(tokens.refresh_token)
    await killAndRestart()
    const again = await client.refresh(tokens.refresh_token)
    expect(again.status).toBe(200)
    expect((await callMcp(resource, again.access_token)).status).toBe(200)
    expect((await client.refresh(again.refresh_token)).status).toBe(200)
  })

  it('what was revoked stays revoked (B145)', async () => {
    const tokens = await client.obtain(resource, ALICE)
    const form = new URLSearchParams({ token: tokens.refresh_token, client_id: client.clientId })
    expect((await fetch(`${gateway.issuer}/revoke`, { method: 'POST', body: form })).status).toBe(200)
    await killAndRestart()
    expect((await callMcp(resource, tokens.access_token)).status).toBe(401)
    expect(await client.refresh(tokens.refresh_token)).toMatchObject({ status: 400, error: 'invalid_grant' })
  })
})
