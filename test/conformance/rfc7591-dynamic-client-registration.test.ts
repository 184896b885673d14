import { beforeAll, describe, expect, it } from 'vitest'
import { type Answer, ask } from '../fixtures/http-exchange.ts'
import { approve, authorizeUrl, browserFor, change, obtainCode, redeem, register } from '../fixtures/oauth-requests.ts'
import { type Rig, startRig } from './rig.ts'

const WEB = { redirect_uris: ['https://app.example/cb'] }

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
  return () => rig.close()
})

function post(body: Record<string, unknown>): Promise<Answer> {
  return ask(`${rig.issuer}/register`, { body })
}

describe('the client information response (RFC 7591 §3.2.1)', () => {
  it('is 201 in JSON, is never stored, and echoes everything that was registered (R-01, R-02, B149)', async () => {
    const answer = await post({ ...WEB, client_name: 'An app', client_uri: 'https://app.example/' })
    expect(answer.status).toBe(201)
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.json()).toMatchObject({
      client_name: 'An app',
      client_uri: 'https://app.example/',
      redirect_uris: WEB.redirect_uris,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      application_type: 'web',
    })
    expect(Math.abs(Number(answer.json().client_id_issued_at) - Date.now() / 1000)).toBeLessThan(10)
  })

  it('gives a secret with its expiry to confidential clients, and none to public ones (R-03)', async () => {
    for (const token_endpoint_auth_method of ['client_secret_basic', 'client_secret_post']) {
      const confidential = (await post({ ...WEB, token_endpoint_auth_method })).json()
      expect(String(confidential.client_secret)).toMatch(/^[A-Za-z0-9_-]{43}$/)
      expect(confidential.client_secret_expires_at).toBe(0)
    }
    const open = (await post({ ...WEB, token_endpoint_auth_method: 'none' })).json()
    expect(open).not.toHaveProperty('client_secret')
    expect(open).not.toHaveProperty('client_secret_expires_at')
  })

  it('gives every client an id of its own that is no URL (R-10, R-13, B035)', async () => {
    const [one, two] = [(await post(WEB)).json(), (await post(WEB)).json()]
    expect(one.client_id).not.toBe(two.client_id)
    expect(String(one.client_id)).toMatch(/^[A-Za-z0-9_-]{22,}$/)
  })

  it('says what was registered, not what was wished (R-05, B025)', async () => {
    const asked = { grant_types: ['authorization_code', 'implicit', 'urn:ietf:params:oauth:grant-type:device_code'] }
    const answer = (
      await post({ ...WEB, ...asked, response_types: ['code', 'token'], contacts: ['a@b'], frobnicate: 1 })
    ).json()
    expect(answer.grant_types).toEqual(['authorization_code', 'refresh_token'])
    expect(answer.response_types).toEqual(['code'])
    expect(answer).not.toHaveProperty('frobnicate')
  })

  it.each([
    [
      'VS Code',
      { redirect_uris: ['https://vscode.dev/redirect', 'http://127.0.0.1:33418/'], application_type: 'native' },
    ],
    [
      'Cursor',
      {
        redirect_uris: ['http://localhost:8787/callback', 'cursor://anysphere.cursor-mcp/oauth/callback'],
        application_type: 'web',
      },
    ],
    ['a loopback client', { redirect_uris: ['http://[::1]/cb'] }],
  ])('makes %s a public native client (R-04, R-07, R-08)', async (_, body) => {
    const answer = (await post(body)).json()
    expect(answer.application_type).toBe('native')
    expect(answer.redirect_uris).toEqual(body.redirect_uris)
    expect(answer.token_endpoint_auth_method).toBe('none')
    expect(answer).not.toHaveProperty('client_secret')
  })
})

describe('refusals (RFC 7591 §3.2.2)', () => {
  it.each<[string, unknown]>([
    ['missing', undefined],
    ['null', null],
    ['empty', []],
    ['a string', 'https://app.example/cb'],
    ['with a number', [1]],
    ['with null', [null]],
    ['nested', [['https://app.example/cb']]],
    ['with a fragment', ['https://app.example/cb#x']],
    ['with user information', ['https://a@app.example/cb']],
    ['with a wildcard', ['https://*.app.example/cb']],
    ['relative', ['/cb']],
    ['javascript', ['javascript:alert(1)']],
    ['data', ['data:text/html,x']],
    ['file', ['file:///etc/passwd']],
    ['plain http', ['http://app.example/cb']],
    ['http on any address', ['http://0.0.0.0/']],
    ['one bad among good', ['https://app.example/cb', 'vbscript:x']],
    ['more than twenty', Array.from({ length: 21 }, (_, index) => `https://app.example/${index}`)],
  ])('redirect_uris %s: 400 invalid_redirect_uri, and no client (R-02, R-06, R-09, B017)', async (_, redirect_uris) => {
    const answer = await post({ redirect_uris })
    expect([answer.status, answer.json().error]).toEqual([400, 'invalid_redirect_uri'])
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.json()).not.toHaveProperty('client_id')
  })

  it.each([
    ['an auth method that does not exist', { token_endpoint_auth_method: 'magic' }],
    ['grant types that leave nothing', { grant_types: ['password'] }],
    ['a logo on this machine', { logo_uri: 'https://127.0.0.1/logo.png' }],
    ['a NUL in the name', { client_name: 'a\0b' }],
    ['a lone surrogate in the name', { client_name: 'a\ud800' }],
    ['a name of 2001 characters', { client_name: 'a'.repeat(2001) }],
  ])('%s: 400 invalid_client_metadata (R-02, R-12)', async (_, extra) => {
    const answer = await post({ ...WEB, ...extra })
    expect([answer.status, answer.json().error]).toEqual([400, 'invalid_client_metadata'])
  })

  it('takes bodies up to 64 KiB (R-12)', async () => {
    const filler = (bytes: number) => ({ ...WEB, extension: { filler: 'x'.repeat(bytes) } })
    expect((await post(filler(60_000))).status).toBe(201)
    const answer = await post(filler(70_000))
    expect(answer.status).toBe(413)
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
  })
})

describe('what was registered holds', () => {
  it('at the authorization endpoint at once (R-16)', async () => {
    const client = await register(rig.issuer)
    const answer = await ask(authorizeUrl(rig.issuer, client))
    expect(answer.status).toBe(200)
  })

  it.each(['client_secret_basic', 'client_secret_post', 'none'])(
    'at the token endpoint: %s and no other method (R-03, B025, B137)',
    async (method) => {
      const client = await register(rig.issuer, { token_endpoint_auth_method: method })
      const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
      const secret = client.clientSecret ?? 'guessed'
      const { client_id: id } = { client_id: client.clientId }
      const attempts = {
        none: [{ client_id: id }, {}],
        client_secret_post: [{ client_id: id, client_secret: secret }, {}],
        client_secret_basic: [{}, { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }],
      } as const
      const form = { grant_type: 'authorization_code', code: issued.code, code_verifier: issued.verifier }
      const entries = Object.entries(attempts).toSorted(
        ([one], [other]) => Number(one === method) - Number(other === method),
      )
      for (const [name, [credentials, headers]] of entries) {
        const answer = await ask(`${rig.issuer}/token`, { body: change({ ...form, ...credentials }, {}), headers })
        expect([name, answer.status]).toEqual([name, name === method ? 200 : 401])
      }
    },
  )

  it('shows nothing of a hostile name but inert text (R-15)', async () => {
    const name = '<img src=x onerror=alert(1)>\u202e"\'>{{7*7}}'
    const client = await register(rig.issuer, { client_name: name })
    const { body } = await ask(authorizeUrl(rig.issuer, client))
    expect(body).toContain('&lt;img')
    expect(body).not.toMatch(/<img|\u202e/)
    expect(body).toContain('{{7*7}}')
  })

  it('never hot-links a logo (R-15)', async () => {
    const client = await register(rig.issuer, { logo_uri: 'https://evil.example/logo.png' })
    expect((await ask(authorizeUrl(rig.issuer, client))).body).not.toContain('evil.example')
  })

  it('binds a code to the client that asked (R-06, B143)', async () => {
    const [one, two] = [await register(rig.issuer), await register(rig.issuer)]
    const issued = await obtainCode(rig.issuer, one, { resource: rig.one })
    const stolen = await redeem(rig.issuer, { ...issued, client: two })
    expect([stolen.status, stolen.json().error]).toEqual([400, 'invalid_grant'])
    expect((await redeem(rig.issuer, issued)).status).toBe(200)
  })

  it('sends the answer to a private-use scheme through a page with a link (R-07, A-41)', async () => {
    const client = await register(rig.issuer, { redirect_uris: ['cursor://anysphere.cursor-mcp/oauth/callback'] })
    const browser = browserFor({ ...client, redirectUri: 'http://never.example' })
    const page = await approve(browser, await browser.get(authorizeUrl(rig.issuer, client, { resource: rig.one })))
    expect(page.status).toBe(200)
    expect(page.body).toMatch(/href="cursor:\/\/anysphere\.cursor-mcp\/oauth\/callback\?code=mgh_ac_/)
  })
})
