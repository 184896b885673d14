import { beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../fixtures/http-exchange.ts'
import { obtainTokens, REDIRECT_URI, register } from '../fixtures/oauth-requests.ts'
import { type Rig, STATIC_REDIRECT, startRig } from './rig.ts'

function registration(rig: Rig, redirectUris: readonly string[]) {
  const body = { client_name: 'x', redirect_uris: redirectUris, token_endpoint_auth_method: 'none' }
  return ask(`${rig.issuer}/register`, { body })
}

async function metadata(rig: Rig): Promise<Record<string, unknown>> {
  return (await ask(`${rig.issuer}/.well-known/oauth-authorization-server`)).json()
}

describe('registration: approved', () => {
  const approved = ['https://claude.ai', 'https://app.example/cb?tenant=1', 'http://127.0.0.1', 'cursor:']
  let rig: Rig
  beforeAll(async () => {
    rig = await startRig({
      onlyOne: true,
      yaml: { clients: { registration: 'approved', approved_redirects: approved } },
    })
    return () => rig.close()
  })

  it('is announced, and lets approved clients through to their tokens (R-01, D-33)', async () => {
    expect((await metadata(rig)).registration_endpoint).toBe(`${rig.issuer}/register`)
    const client = await register(rig.issuer)
    expect((await obtainTokens(rig.issuer, client)).accessToken).toMatch(/^mgh_at_/)
  })

  it.each([
    [['https://claude.ai/api/mcp/auth_callback']],
    [['https://app.example/cb?tenant=1']],
    [['http://127.0.0.1:41234/anything', 'cursor://anysphere.cursor-mcp/oauth/callback']],
  ])('registers %j (R-06, R-07)', async (uris) => expect((await registration(rig, uris)).status).toBe(201))

  it.each([
    [['https://claude.ai.evil.example/cb']],
    [['https://claude.ai:8443/cb']],
    [['https://claude.ai@evil.example/cb']],
    [['https://evil.example/https://claude.ai/cb']],
    [['https://app.example/cb?tenant=2']],
    [['https://app.example/cb']],
    [['http://localhost:41234/cb']],
    [['http://127.0.0.1.evil.example/cb']],
    [['cursorx://anysphere.cursor-mcp/cb']],
    [['https://claude.ai/api/mcp/auth_callback', 'https://evil.example/cb']],
  ])('refuses %j in RFC 7591’s words (R-06, B019)', async (uris) => {
    const refused = await registration(rig, uris)
    expect([refused.status, refused.json().error]).toEqual([400, 'invalid_redirect_uri'])
    expect(refused.body).not.toContain('evil')
  })

  it('holds for updates too (RFC 7592 §2.2)', async () => {
    const information = (await registration(rig, [REDIRECT_URI])).json()
    const update = (redirectUri: string) =>
      ask(String(information.registration_client_uri), {
        method: 'PUT',
        headers: { authorization: `Bearer ${information.registration_access_token}` },
        body: {
          client_id: information.client_id,
          redirect_uris: [redirectUri],
          token_endpoint_auth_method: 'none',
        },
      })
    expect((await update('https://evil.example/cb')).json().error).toBe('invalid_redirect_uri')
    expect((await update('https://claude.ai/cb')).status).toBe(200)
  })
})

describe('registration: off', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await startRig({ onlyOne: true, registration: 'off' })
    return () => rig.close()
  })

  it('announces no endpoint and has none (R-01, D-33)', async () => {
    expect(await metadata(rig)).not.toHaveProperty('registration_endpoint')
    const answers = [await registration(rig, [REDIRECT_URI]), await ask(`${rig.issuer}/register/static-public`)]
    for (const answer of answers) {
      expect(answer.status).toBe(404)
      expect(answer.headers['content-type']).toMatch(/^application\/json/)
    }
  })

  it('leaves declared clients working (R-60)', async () => {
    const declared = { clientId: 'static-public', redirectUri: STATIC_REDIRECT }
    expect((await obtainTokens(rig.issuer, declared)).accessToken).toMatch(/^mgh_at_/)
  })
})
