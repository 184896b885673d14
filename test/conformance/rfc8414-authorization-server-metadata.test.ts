import { beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../fixtures/http-exchange.ts'
import { type Rig, startRig } from './rig.ts'

const LOCATION = '/.well-known/oauth-authorization-server'

let rig: Rig
let document: Record<string, unknown>
beforeAll(async () => {
  rig = await startRig()
  document = (await ask(`${rig.issuer}${LOCATION}`)).json()
  return () => rig.close()
})

describe('the document', () => {
  it('is at the root, whatever the path of the MCP server (D-20, D-22, D-24, RFC 8414 §3.1)', async () => {
    const answer = await ask(`${rig.issuer}${LOCATION}`)
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
  })

  it('has an issuer that is exactly the public URL (D-21, D-38)', () => {
    expect(document.issuer).toBe(rig.issuer)
    expect(document.issuer).not.toMatch(/[?#]|\/$/)
  })

  it('lists S256 and never plain (D-27)', () => {
    expect(document.code_challenge_methods_supported).toEqual(['S256'])
  })

  it('lists codes in the query, and nothing else (D-28, A-02, A-21)', () => {
    expect(document.response_types_supported).toEqual(['code'])
    expect(document.response_modes_supported).toEqual(['query'])
  })

  it('lists authentication methods in full, none included (D-29)', () => {
    const methods = document.token_endpoint_auth_methods_supported
    expect(methods).toEqual(expect.arrayContaining(['none', 'client_secret_basic', 'client_secret_post']))
  })

  it('lists asymmetric algorithms exactly where it lists private_key_jwt (D-36)', () => {
    const offered = String(document.token_endpoint_auth_methods_supported).includes('private_key_jwt')
    const algorithms = document.token_endpoint_auth_signing_alg_values_supported
    if (offered) expect(String(algorithms)).toMatch(/^((RS|PS|ES)(256|384|512)|EdDSA|Ed25519|,)+$/)
    else expect(algorithms).toBeUndefined()
  })

  it('lists exactly the grant types that are served (D-30, D-37)', () => {
    expect(document.grant_types_supported).toEqual(['authorization_code', 'refresh_token'])
    expect(document).not.toHaveProperty('authorization_grant_profiles_supported')
  })

  it('announces iss (D-32, RFC 9207 §3)', () => {
    expect(document.authorization_response_iss_parameter_supported).toBe(true)
  })

  it('lists offline_access, here alone (D-34)', () => {
    expect(document.scopes_supported).toEqual(['mcp', 'offline_access'])
  })

  it('names revocation with its methods (D-35)', () => {
    expect(document.revocation_endpoint).toBe(`${rig.issuer}/revoke`)
    expect(document.revocation_endpoint_auth_methods_supported).toEqual(document.token_endpoint_auth_methods_supported)
  })

  it('names no endpoint that does not exist, and all of them on the issuer’s origin (D-28, D-33, B001)', async () => {
    const endpoints = Object.entries(document).filter(([name]) => /_endpoint$|_uri$/.test(name))
    expect(endpoints.map(([name]) => name)).toEqual(
      expect.arrayContaining(['authorization_endpoint', 'token_endpoint', 'registration_endpoint']),
    )
    for (const [, url] of endpoints) {
      expect(new URL(String(url)).origin).toBe(rig.issuer)
      expect((await ask(String(url))).status).not.toBe(404)
    }
  })

  it('holds nothing internal (B011)', async () => {
    const text = JSON.stringify(document)
    for (const internal of [rig.identityProvider.issuer, rig.identityProvider.clientId, 'client_secret"', '/internal'])
      expect(text).not.toContain(internal)
    expect(text).not.toMatch(/fastify|node|version/i)
  })
})

describe('other locations', () => {
  it.each(['/r1/mcp', '/r2/mcp', '/', '/tenant'])(
    'answers 404 in JSON for %s behind the well-known part, so that clients go on to the root (D-23, D-25, B002)',
    async (path) => {
      for (const prefix of [LOCATION, '/.well-known/openid-configuration']) {
        const answer = await ask(`${rig.issuer}${prefix}${path}`)
        expect(answer.status).toBe(404)
        expect(answer.json().error).toBe('not_found')
      }
    },
  )

  it('has a complete OpenID document, or none (D-26)', async () => {
    const answer = await ask(`${rig.issuer}/.well-known/openid-configuration`)
    if (answer.status === 200) {
      for (const name of ['jwks_uri', 'subject_types_supported', 'id_token_signing_alg_values_supported'])
        expect(answer.json()).toHaveProperty(name)
    } else expect(answer.status).toBe(404)
  })
})

describe('web pages', () => {
  it.each([LOCATION, '/.well-known/oauth-protected-resource/r1/mcp', '/token', '/register', '/revoke'])(
    'may call %s from anywhere, without credentials (D-39)',
    async (path) => {
      const headers = { origin: 'https://page.example', 'access-control-request-method': 'POST' }
      const preflight = await ask(`${rig.issuer}${path}`, { method: 'OPTIONS', headers })
      expect(preflight.status).toBe(204)
      expect(preflight.headers['access-control-allow-headers']).toMatch(/content-type/i)
      const method = path.startsWith('/.well-known') ? 'GET' : 'POST'
      const answer = await ask(`${rig.issuer}${path}`, { method, headers: { origin: 'https://page.example' } })
      for (const { headers } of [preflight, answer]) {
        expect(headers['access-control-allow-origin']).toBe('*')
        expect(headers).not.toHaveProperty('access-control-allow-credentials')
      }
    },
  )

  it.each(['/authorize', '/consent', '/callback/corp', '/callback/home'])(
    'never read what people see at %s (D-39, B260)',
    async (path) => {
      const headers = { origin: 'https://page.example', 'access-control-request-method': 'GET' }
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const answer = await ask(`${rig.issuer}${path}`, { method, headers })
        expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
      }
    },
  )
})

describe('when registration is off', () => {
  it('neither announces nor serves it (D-33, R-01)', async () => {
    const off = await startRig({ registration: 'off' })
    try {
      expect((await ask(`${off.issuer}${LOCATION}`)).json()).not.toHaveProperty('registration_endpoint')
      expect((await ask(`${off.issuer}/register`, { body: { redirect_uris: ['http://127.0.0.1/'] } })).status).toBe(404)
    } finally {
      await off.close()
    }
  })
})

it('serves every document with GET and HEAD alone (RFC 9110 §15.5.6, B010)', async () => {
  for (const path of [LOCATION, '/.well-known/oauth-protected-resource/r1/mcp']) {
    const [get, head] = [await ask(`${rig.issuer}${path}`), await ask(`${rig.issuer}${path}`, { method: 'HEAD' })]
    expect([head.status, head.body]).toEqual([200, ''])
    expect(head.headers['content-length']).toBe(get.headers['content-length'])
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await ask(`${rig.issuer}${path}`, { method })
      expect(answer.status).toBe(405)
      expect(answer.headers.allow).toMatch(/GET/)
    }
  }
})
