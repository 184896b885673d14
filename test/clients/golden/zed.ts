import { expect } from 'vitest'
import type { GoldenClient } from '../golden-client.ts'
import { CALL, RESOURCE_METADATA, SERVER_METADATA } from './well-known.ts'

export const zed: GoldenClient = {
  name: 'Zed',
  source: 'its published metadata document, zed-industries/zed, crates/context_server/src/oauth.rs',
  registrations: [
    {
      way: 'metadata-document',
      documentPath: '/zed/oauth/client-metadata.json',
      metadata: {
        client_name: 'Zed',
        redirect_uris: ['http://127.0.0.1/callback'],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      },
      authentication: 'none',
      redirectUri: 'http://127.0.0.1:62523/callback',
    },
    {
      way: 'dynamic',
      metadata: {
        client_name: 'Zed',
        redirect_uris: ['http://127.0.0.1:62523/callback'],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      },
      authentication: 'none',
      redirectUri: 'http://127.0.0.1:62523/callback',
    },
  ],
  discovery: [CALL, RESOURCE_METADATA, SERVER_METADATA],
  authorize: { scope: '{scopes}', resource: '{resource}' },
  token: { redirect_uri: '{redirect_uri}', resource: '{resource}' },
  refresh: { resource: '{resource}' },
  quirks: [
    {
      says: 'Its document names 127.0.0.1 without a port, and it listens on one (RFC 8252 §7.3, R-42).',
      holds: ({ answer }) => expect(answer.host).toBe('127.0.0.1:62523'),
    },
  ],
}
