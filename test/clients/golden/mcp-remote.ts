import { expect } from 'vitest'
import type { GoldenClient } from '../golden-client.ts'
import { CALL, RESOURCE_METADATA, SERVER_METADATA, withHeaders } from './well-known.ts'

export const mcpRemote: GoldenClient = {
  name: 'mcp-remote',
  source: 'mcp-remote 0.15.1 as observed; the real one runs in mcp-remote.test.ts',
  registrations: [
    {
      way: 'dynamic',
      metadata: {
        redirect_uris: ['http://localhost:41275/oauth/callback'],
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        client_name: 'MCP CLI Proxy',
        client_uri: 'https://github.com/modelcontextprotocol/mcp-cli',
        software_id: '2e6dc280-f3c3-4e01-99a7-8181dbd1d23d',
        software_version: '0.15.1',
        scope: 'mcp offline_access',
        application_type: 'native',
      },
      authentication: 'none',
      redirectUri: 'http://localhost:41275/oauth/callback',
    },
  ],
  discovery: [
    { url: '{url}', headers: { accept: 'application/json, text/event-stream' }, status: 401 },
    withHeaders(RESOURCE_METADATA, { accept: 'application/json', 'accept-encoding': 'identity' }),
    withHeaders(SERVER_METADATA, { accept: 'application/json', 'accept-encoding': 'identity' }),
    CALL,
  ],
  authorize: { scope: '{scopes} offline_access', resource: '{resource}', prompt: 'consent' },
  token: { redirect_uri: '{redirect_uri}', resource: '{resource}' },
  refresh: { resource: '{resource}', scope: '{scopes}' },
  quirks: [
    {
      says: 'It begins with a GET before its first call (D-56).',
      holds: ({ probes }) => expect(probes[0]?.headers['www-authenticate']).toMatch(/^Bearer resource_metadata=/),
    },
    {
      says: 'It takes the scopes of the challenge, adds offline_access, and repeats what it got at each refresh (T-10, T-14).',
      holds: ({ challenge, token, refreshed }) => {
        expect(challenge.headers['www-authenticate']).toContain(`scope="${token.scope}"`)
        expect(refreshed.scope).toBe(token.scope)
      },
    },
    {
      says: 'It plans its refreshes by expires_in (K-11).',
      holds: ({ token }) => expect(token.expires_in).toBe(3600),
    },
  ],
}
