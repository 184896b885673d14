import { expect } from 'vitest'
import type { GoldenClient } from '../golden-client.ts'
import { CALL, RESOURCE_METADATA, SERVER_METADATA, SERVER_METADATA_OF_PATH, withHeaders } from './well-known.ts'

/** The revision that its Rust SDK names on discovery requests, whatever it speaks later. */
const OLD = { 'mcp-protocol-version': '2024-11-05' }

export const codex: GoldenClient = {
  name: 'Codex',
  source: 'its published metadata document, codex issues 29630, 30460, 33403, 40928, the Rust SDK (rmcp)',
  registrations: [
    {
      way: 'dynamic',
      metadata: {
        client_name: 'Codex',
        redirect_uris: ['http://127.0.0.1:41573/callback/kq3vW0cXzT1m'],
        grant_types: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_method: 'none',
        response_types: ['code'],
      },
      authentication: 'none',
      // It registers once, and listens on another port at the next login (codex#29630).
      redirectUri: 'http://127.0.0.1:60311/callback/kq3vW0cXzT1m',
    },
    {
      way: 'metadata-document',
      documentPath: '/chatgpt/oauth/codex/client.json',
      metadata: {
        client_name: 'Codex',
        redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      },
      authentication: 'none',
      redirectUri: 'http://127.0.0.1:43123/callback',
    },
  ],
  discovery: [
    withHeaders(CALL, OLD),
    withHeaders(RESOURCE_METADATA, OLD),
    withHeaders(SERVER_METADATA_OF_PATH, OLD),
    withHeaders(SERVER_METADATA, OLD),
  ],
  authorize: { scope: '{scopes}', resource: '{resource}' },
  token: { redirect_uri: '{redirect_uri}', resource: '{resource}' },
  refresh: {},
  quirks: [
    {
      says: 'Its discovery names the revision 2024-11-05, which changes nothing (D-17).',
      holds: ({ probes, issuer }) => expect(probes[3]?.json()).toMatchObject({ issuer }),
    },
    {
      says: 'It listens on any port of 127.0.0.1, under a path that must match exactly (A-04).',
      holds: ({ answer }) => expect(answer.href).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback/),
    },
    {
      says: 'Its refresh does not say for which resource; the token stays one for the same route (T-09).',
      holds: async ({ refreshed, url }) => {
        const other = new URL('/other', url)
        const headers = { authorization: `Bearer ${refreshed.access_token}` }
        expect((await fetch(other, { method: 'POST', headers })).status).toBe(401)
        expect((await fetch(url, { method: 'POST', headers })).status).toBe(200)
      },
    },
  ],
}
