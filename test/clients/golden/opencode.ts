import { expect } from 'vitest'
import type { GoldenClient } from '../golden-client.ts'
import { CALL, RESOURCE_METADATA, SERVER_METADATA, withHeaders } from './well-known.ts'

const CALLBACK = 'http://127.0.0.1:19876/mcp/oauth/callback'

export const openCode: GoldenClient = {
  name: 'opencode',
  source: 'its documentation and published metadata document, packages/opencode/src/mcp/oauth-provider.ts',
  registrations: [
    {
      way: 'dynamic',
      metadata: {
        redirect_uris: [CALLBACK],
        client_name: 'OpenCode',
        client_uri: 'https://opencode.ai',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      },
      authentication: 'none',
      redirectUri: CALLBACK,
    },
    {
      way: 'metadata-document',
      documentPath: '/opencode/oauth/opencode/client.json',
      metadata: {
        client_name: 'OpenCode',
        redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      },
      authentication: 'none',
      redirectUri: 'http://127.0.0.1:19876/callback',
    },
  ],
  discovery: [
    CALL,
    withHeaders(RESOURCE_METADATA, { 'mcp-protocol-version': '2025-11-25' }),
    withHeaders(SERVER_METADATA, { 'mcp-protocol-version': '2025-11-25' }),
  ],
  authorize: { scope: '{scopes} offline_access', resource: '{resource}', prompt: 'consent' },
  token: { redirect_uri: '{redirect_uri}', resource: '{resource}' },
  refresh: { resource: '{resource}' },
  quirks: [
    {
      says: 'It refuses an issuer that differs in as little as a slash at the end (D-21).',
      holds: ({ serverMetadata, resourceMetadata }) => {
        expect(resourceMetadata.authorization_servers).toEqual([serverMetadata.issuer])
        expect(String(serverMetadata.issuer).endsWith('/')).toBe(false)
      },
    },
  ],
}
