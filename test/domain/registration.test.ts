import { describe, expect, it } from 'vitest'
import { type ClientMetadata, parseClientMetadata } from '../../src/domain/registration.ts'

function accepted(body: unknown): ClientMetadata {
  const result = parseClientMetadata(body)
  if (!result.ok) throw new Error(`${result.failure.error}: ${result.failure.description}`)
  return result.value
}

function refusal(body: unknown): string | undefined {
  const result = parseClientMetadata(body)
  return result.ok ? undefined : result.failure.error
}

const HTTPS = { redirect_uris: ['https://app.example/cb'] }

/** What real clients send (requirements, section 4). */
const VS_CODE = {
  client_name: 'Visual Studio Code',
  client_uri: 'https://code.visualstudio.com',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  redirect_uris: [
    'https://insiders.vscode.dev/redirect',
    'https://vscode.dev/redirect',
    'http://127.0.0.1/',
    'http://127.0.0.1:33418/',
  ],
  scope: 'mcp',
  token_endpoint_auth_method: 'none',
  application_type: 'native',
}
const CURSOR = {
  client_name: 'Cursor',
  redirect_uris: [
    'http://localhost:8787/callback',
    'https://www.cursor.com/agents/mcp/oauth/callback',
    'cursor://anysphere.cursor-mcp/oauth/callback',
  ],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  application_type: 'web',
  token_endpoint_auth_method: 'none',
}
const CLAUDE_AI = {
  client_name: 'Claude',
  redirect_uris: ['https://claude.ai/api/mcp/auth_callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
}
const CHATGPT = { ...CLAUDE_AI, redirect_uris: ['https://chatgpt.com/connector_platform_oauth_redirect'] }
const INSPECTOR = {
  redirect_uris: ['http://localhost:6274/oauth/callback'],
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  client_name: 'MCP Inspector',
  client_uri: 'https://github.com/modelcontextprotocol/inspector',
  scope: '',
}
const CODEX = { client_name: 'Codex', redirect_uris: ['http://127.0.0.1:52013/callback'] }

describe('real clients register as they are (R-07, R-08)', () => {
  it.each([
    ['VS Code', VS_CODE, 'native'],
    ['Cursor', CURSOR, 'native'],
    ['claude.ai', CLAUDE_AI, 'web'],
    ['ChatGPT', CHATGPT, 'web'],
    ['MCP Inspector', INSPECTOR, 'native'],
    ['Codex', CODEX, 'native'],
  ])('%s', (_, body, applicationType) => {
    const client = accepted(body)
    expect(client).toMatchObject({ redirectUris: body.redirect_uris, applicationType })
    expect(client.tokenEndpointAuthMethod).toBe('none')
    expect(client.grantTypes).toEqual(['authorization_code', 'refresh_token'])
    expect(client.clientName).toBe('client_name' in body ? body.client_name : undefined)
  })
})

describe('defaults (RFC 7591 §2)', () => {
  it.each([
    ['a web client gets a secret', HTTPS, 'client_secret_basic'],
    [
      'a web client that says null gets a secret',
      { ...HTTPS, token_endpoint_auth_method: null },
      'client_secret_basic',
    ],
    ['a loopback client is public', { redirect_uris: ['http://127.0.0.1/'] }, 'none'],
    ['a client with a private-use scheme is public', { redirect_uris: ['com.example.app:/cb'] }, 'none'],
    ['a client that calls itself native is public', { ...HTTPS, application_type: 'native' }, 'none'],
    [
      'what is asked for is what is registered',
      { ...HTTPS, token_endpoint_auth_method: 'client_secret_post' },
      'client_secret_post',
    ],
  ])('%s (R-04)', (_, body, method) => expect(accepted(body).tokenEndpointAuthMethod).toBe(method))

  it('drops grant types that do not exist here, and says so (R-05, B025)', () => {
    const asked = { ...HTTPS, grant_types: ['implicit', 'authorization_code', 'password', 'client_credentials'] }
    expect(accepted(asked).grantTypes).toEqual(['authorization_code', 'refresh_token'])
    expect(accepted({ ...HTTPS, response_types: ['code', 'token'] }).grantTypes).toContain('authorization_code')
  })

  it('registers a redirect URI that was sent twice once', () => {
    expect(accepted({ redirect_uris: ['https://a.example/', 'https://a.example/'] }).redirectUris).toHaveLength(1)
  })
})

describe('what is refused', () => {
  it.each([
    ['missing', {}],
    ['null', { redirect_uris: null }],
    ['empty', { redirect_uris: [] }],
    ['a string', { redirect_uris: 'https://app.example/cb' }],
    ['an object', { redirect_uris: { 0: 'https://app.example/cb' } }],
    ['a list with a number', { redirect_uris: ['https://app.example/cb', 1] }],
    ['a list with null', { redirect_uris: [null] }],
    ['a nested list', { redirect_uris: [['https://app.example/cb']] }],
    ['a list with one bad URI', { redirect_uris: ['https://app.example/cb', 'javascript:alert(1)'] }],
    ['a list of 21', { redirect_uris: Array.from({ length: 21 }, (_, index) => `https://a.example/${index}`) }],
  ])('redirect_uris: %s (B017, R-06)', (_, body) => expect(refusal(body)).toBe('invalid_redirect_uri'))

  it.each([null, undefined, [], 'text', 1, true])('a body that is no object: %j (B017)', (body) =>
    expect(refusal(body)).toBe('invalid_client_metadata'),
  )

  it.each([
    ['an unknown auth method', { token_endpoint_auth_method: 'magic' }],
    ['private_key_jwt', { token_endpoint_auth_method: 'private_key_jwt' }],
    ['an auth method that is no string', { token_endpoint_auth_method: ['none'] }],
    ['a name of an object member', { token_endpoint_auth_method: 'constructor' }],
    ['grant types without authorization_code', { grant_types: ['password', 'implicit', 'client_credentials'] }],
    ['response types without code', { response_types: ['token'] }],
  ])('%s (B025)', (_, extra) => expect(refusal({ ...HTTPS, ...extra })).toBe('invalid_client_metadata'))

  it.each(
    ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'jwks_uri', 'logo_uri#de', 'client_uri#ja-Jpan'].flatMap(
      (name) =>
        [
          'http://app.example/x',
          'javascript:alert(1)',
          'data:text/html,x',
          'https://127.0.0.1/x',
          'https://[::1]/',
          'x',
        ]
          .concat(['https://localhost/x', 'https://printer.local/', 'https://2130706433/', 'https://a@app.example/'])
          .map((value) => [name, value]),
    ),
  )('%s: %s (B026)', (name, value) => {
    expect(refusal({ ...HTTPS, [name]: 'https://app.example/x' })).toBeUndefined()
    expect(refusal({ ...HTTPS, [name]: value })).toBe('invalid_client_metadata')
  })

  it.each([
    ['NUL', 'a\0b'],
    ['a lone surrogate', 'a\ud800b'],
    ['2001 characters', 'a'.repeat(2001)],
  ])('text with %s (B028)', (_, text) => {
    for (const name of ['client_name', 'client_name#ja', 'scope', 'software_id'])
      expect(refusal({ ...HTTPS, [name]: text })).toBe('invalid_client_metadata')
  })
})

describe('what a client says of itself (R-15, B023, B028)', () => {
  it('is cleaned before it is kept', () => {
    const hostile = '\u202eknaB ruoY\u200b\n[INFO] fake\u001b[31m log'
    expect(accepted({ ...HTTPS, client_name: hostile }).clientName).toBe('knaB ruoY [INFO] fake [31m log')
    expect(accepted({ ...HTTPS, client_name: '\u200b\u202e' })).not.toHaveProperty('clientName')
  })

  it('never decides what is the server’s: every other member is ignored (R-05)', () => {
    const wish = {
      client_id: 'me',
      client_secret: 's',
      trusted: true,
      skip_consent: true,
      origin: 'static',
      createdAt: 1,
    }
    expect(accepted({ ...HTTPS, ...wish })).toEqual(accepted(HTTPS))
  })
})

describe('the size of what a stranger makes us keep (R-12, X-17)', () => {
  it('is bounded for redirect URIs together, however few they are', () => {
    const uris = (count: number) =>
      Array.from({ length: count }, (_, n) => `https://c.example/${n}/${'x'.repeat(1900)}`)
    expect(parseClientMetadata({ redirect_uris: uris(8) }).ok).toBe(true)
    expect(parseClientMetadata({ redirect_uris: uris(9) })).toMatchObject({
      ok: false,
      failure: { error: 'invalid_client_metadata' },
    })
  })
})
