import { describe, expect, it } from 'vitest'
import { parseMetadataDocument } from '../../src/domain/metadata-document.ts'

const URL = 'https://app.example/oauth/client.json'
const JWK = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'a' }
const DOCUMENT = { client_id: URL, client_name: 'An app', redirect_uris: ['https://app.example/cb'] }

const parse = (changes: Record<string, unknown> = {}) => parseMetadataDocument({ ...DOCUMENT, ...changes }, URL, 7)
const accepted = (changes: Record<string, unknown> = {}) => {
  const parsed = parse(changes)
  if (!parsed.ok) throw new Error(parsed.failure)
  return parsed.value
}

describe('a client metadata document (R-33, R-34, R-48)', () => {
  it('describes a public client when it says no more than it must', () => {
    expect(accepted()).toEqual({
      clientId: URL,
      origin: 'metadata-document',
      clientName: 'An app',
      redirectUris: ['https://app.example/cb'],
      tokenEndpointAuthMethod: 'none',
      grantTypes: ['authorization_code', 'refresh_token'],
      applicationType: 'web',
      createdAt: 7,
    })
  })

  it.each<[string, Record<string, unknown>]>([
    [
      'of a code editor',
      { redirect_uris: ['http://127.0.0.1/', 'https://editor.example/redirect'], token_endpoint_auth_method: 'none' },
    ],
    ['of a command line', { redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'] }],
    ['of an app', { redirect_uris: ['cursor://anysphere.cursor-mcp/oauth/callback'] }],
    [
      'with grant types that we do not have',
      { grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:jwt-bearer'] },
    ],
    [
      'that lists several methods',
      { token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'], policies: {} },
    ],
    ['with a logo and other addresses', { logo_uri: 'http://x/', tos_uri: 7, client_uri: 'https://app.example/' }],
    ['with keys that it does not use', { jwks: { keys: [JWK] } }],
  ])('is accepted %s (R-48)', (_, changes) => expect(parse(changes).ok).toBe(true))

  it('keeps the keys of a client that signs (R-43)', () => {
    const method = { token_endpoint_auth_method: 'private_key_jwt' }
    expect(accepted({ ...method, jwks: { keys: [{ ...JWK, x5c: ['x'] }, { kty: 'AKP' }] } })).toMatchObject({
      tokenEndpointAuthMethod: 'private_key_jwt',
      keys: { kind: 'jwks', jwks: [JWK] },
    })
    const url = 'https://keys.example/jwks.json?v=1'
    expect(accepted({ ...method, jwks_uri: url }).keys).toEqual({ kind: 'jwks_uri', url })
  })

  it('shows only what can be shown: a cleaned name, and a website over https (R-15)', () => {
    expect(accepted({ client_name: 'An\u202eapp\n' }).clientName).toBe('An app')
    for (const uri of [
      'http://app.example',
      'javascript:alert(1)',
      'https://a:b@app.example',
      'https://app example',
      7,
    ])
      expect(accepted({ client_uri: uri })).not.toHaveProperty('clientUri')
    expect(accepted({ client_uri: 'https://app.example/' }).clientUri).toBe('https://app.example/')
  })

  it.each<[string, string]>([
    ['another path', 'https://app.example/oauth/other.json'],
    ['another case', 'https://app.example/oauth/Client.json'],
    ['the default port', 'https://app.example:443/oauth/client.json'],
    ['a final slash', 'https://app.example/oauth/client.json/'],
    ['percent-encoding', 'https://app.example/oauth/%63lient.json'],
    ['a final dot of the host', 'https://app.example./oauth/client.json'],
    ['a space', ' https://app.example/oauth/client.json'],
  ])('is refused when its client_id has %s (B044)', (_, id) => expect(parse({ client_id: id }).ok).toBe(false))

  it.each<[string, Record<string, unknown>]>([
    ['no client_id', { client_id: undefined }],
    ['a client_id in a list', { client_id: [URL] }],
    ['no name', { client_name: undefined }],
    ['an empty name', { client_name: ' \u200b ' }],
    ['a name that is no text', { client_name: { en: 'An app' } }],
    ['no redirect URIs', { redirect_uris: undefined }],
    ['an empty list of them', { redirect_uris: [] }],
    ['one that is no list', { redirect_uris: 'https://app.example/cb' }],
    ['21 of them', { redirect_uris: Array.from({ length: 21 }, (_, count) => `https://app.example/${count}`) }],
    ['one that is no text', { redirect_uris: ['https://app.example/cb', 7] }],
    ['a dangerous scheme', { redirect_uris: ['https://app.example/cb', 'javascript:alert(1)'] }],
    ['http elsewhere', { redirect_uris: ['http://app.example/cb'] }],
    ['a wildcard', { redirect_uris: ['https://*.app.example/cb'] }],
    ['a fragment', { redirect_uris: ['https://app.example/cb#x'] }],
    ['a secret', { client_secret: 'x' }],
    ['an empty secret', { client_secret: '' }],
    ['the end of a secret', { client_secret_expires_at: 0 }],
    ['client_secret_basic', { token_endpoint_auth_method: 'client_secret_basic' }],
    ['client_secret_post', { token_endpoint_auth_method: 'client_secret_post' }],
    ['client_secret_jwt', { token_endpoint_auth_method: 'client_secret_jwt' }],
    ['an unknown method', { token_endpoint_auth_method: 'tls_client_auth' }],
    ['null as method', { token_endpoint_auth_method: null }],
    ['a symmetric algorithm', { token_endpoint_auth_signing_alg: 'HS256' }],
    ['no algorithm at all', { token_endpoint_auth_signing_alg: 'none' }],
    ['private_key_jwt without keys', { token_endpoint_auth_method: 'private_key_jwt' }],
    ['a private key', { jwks: { keys: [JWK, { ...JWK, d: 'd' }] } }],
    ['a symmetric key', { jwks: { keys: [{ kty: 'oct', k: 'k' }] } }],
    ['an empty key set', { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [] } }],
    ['both kinds of keys', { jwks: { keys: [JWK] }, jwks_uri: 'https://app.example/jwks' }],
    ['keys over http', { jwks_uri: 'http://app.example/jwks' }],
    ['keys in a file', { jwks_uri: 'file:///etc/passwd' }],
    ['grant types without the code grant', { grant_types: ['client_credentials'] }],
    ['response types without code', { response_types: ['token'] }],
  ])('is refused with %s (B046)', (_, changes) => expect(parse(changes).ok).toBe(false))

  it.each([null, [], [DOCUMENT], 'x', 7])('is refused when it is no object: %j', (body) => {
    expect(parseMetadataDocument(body, URL, 0).ok).toBe(false)
  })
})
