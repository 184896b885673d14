import { describe, expect, it } from 'vitest'
import {
  authorizationServerMetadata,
  bearerChallenge,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
} from '../../src/domain/discovery.ts'
import type { Route } from '../../src/domain/route.ts'

const ISSUER = 'https://gw.example'
const ROUTE: Route = {
  path: '/a/b',
  resource: 'https://gw.example/a/b',
  title: 'A server',
  upstream: new URL('http://127.0.0.1:1/internal'),
  signIn: 'corp',
  credential: { kind: 'none' },
  inject: [],
  scopes: ['mcp', 'notes:read'],
}

describe('discovery documents', () => {
  it('publishes a route between host and path (RFC 9728 §3.1, D-04)', () => {
    expect(protectedResourceMetadataUrl(ISSUER, ROUTE)).toBe(
      'https://gw.example/.well-known/oauth-protected-resource/a/b',
    )
  })

  it('says about a resource what RFC 9728 §2 lists, and nothing internal (D-02, D-03, D-10, D-11, B011)', () => {
    const document = protectedResourceMetadata(ISSUER, ROUTE)
    expect(document).toEqual({
      resource: 'https://gw.example/a/b',
      authorization_servers: ['https://gw.example'],
      scopes_supported: ['mcp', 'notes:read'],
      bearer_methods_supported: ['header'],
      resource_name: 'A server',
    })
  })

  it('names a registration endpoint only where clients may register (RFC 8414 §2, D-33)', () => {
    const open = authorizationServerMetadata(ISSUER, { scopes: ['mcp'], registration: true, metadataDocuments: true })
    const closed = authorizationServerMetadata(ISSUER, {
      scopes: ['mcp'],
      registration: false,
      metadataDocuments: true,
    })
    expect(open.registration_endpoint).toBe('https://gw.example/register')
    expect(closed).not.toHaveProperty('registration_endpoint')
    expect({ ...closed, registration_endpoint: open.registration_endpoint }).toEqual(open)
  })

  it('says that clients may be named by metadata documents only where they may (D-31)', () => {
    const options = { scopes: ['mcp'], registration: true }
    const on = authorizationServerMetadata(ISSUER, { ...options, metadataDocuments: true })
    const off = authorizationServerMetadata(ISSUER, { ...options, metadataDocuments: false })
    expect(on.client_id_metadata_document_supported).toBe(true)
    expect(off).not.toHaveProperty('client_id_metadata_document_supported')
    expect({ ...off, client_id_metadata_document_supported: true }).toEqual(on)
  })

  it('names only asymmetric signatures for client assertions (RFC 8414 §2, T-05)', () => {
    const document = authorizationServerMetadata(ISSUER, { scopes: [], registration: true, metadataDocuments: true })
    expect(document.token_endpoint_auth_methods_supported).toContain('private_key_jwt')
    const algorithms = document.token_endpoint_auth_signing_alg_values_supported
    expect(algorithms).toEqual(expect.arrayContaining(['RS256', 'PS256', 'ES256', 'EdDSA']))
    expect(String(algorithms)).not.toMatch(/HS|none/)
  })

  it('leaves no list empty (RFC 9728 §2, RFC 8414 §2, D-12)', () => {
    const documents = [
      protectedResourceMetadata(ISSUER, ROUTE),
      authorizationServerMetadata(ISSUER, { scopes: ['mcp'], registration: true, metadataDocuments: true }),
    ]
    for (const value of documents.flatMap((document) => Object.values(document)))
      if (Array.isArray(value)) expect(value).not.toHaveLength(0)
  })
})

describe('the challenge (RFC 6750 §3, RFC 9728 §5.1)', () => {
  it('says where and for what, and calls nothing wrong when there was no token (D-50, D-51, D-52)', () => {
    expect(bearerChallenge(ISSUER, ROUTE)).toBe(
      'Bearer resource_metadata="https://gw.example/.well-known/oauth-protected-resource/a/b", scope="mcp notes:read"',
    )
  })

  it('can be read by the simple parsers of real clients (D-54, D-55)', () => {
    const challenge = bearerChallenge(ISSUER, ROUTE, { error: 'invalid_token', description: 'it has ended' })
    const attributes = challenge.replace(/^Bearer /, '').split(', ')
    for (const attribute of attributes) expect(attribute).toMatch(/^[a-z_]+="[\x20-\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+"$/)
    const names = attributes.map((attribute) => attribute.split('=')[0])
    expect(new Set(names).size).toBe(names.length)
    expect(/resource_metadata="([^"]+)"/.exec(challenge)?.[1]).toBe(protectedResourceMetadataUrl(ISSUER, ROUTE))
  })
})
