import { expect } from 'vitest'
import type { GoldenClient } from '../golden-client.ts'
import { CALL, RESOURCE_METADATA, SERVER_METADATA, withHeaders } from './well-known.ts'

const COMMON = {
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
}

export const claudeCode: GoldenClient = {
  name: 'Claude Code',
  source: 'its published metadata document, claude-code issues 37747, 52871, 84440, 84614',
  registrations: [
    {
      way: 'metadata-document',
      documentPath: '/claude/oauth/claude-code-client-metadata',
      metadata: {
        client_name: 'Claude Code',
        client_uri: 'https://claude.ai',
        redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
        ...COMMON,
      },
      authentication: 'none',
      redirectUri: 'http://localhost:49817/callback',
    },
    {
      way: 'dynamic',
      metadata: { client_name: 'Claude Code (demo)', redirect_uris: ['http://localhost:49817/callback'], ...COMMON },
      authentication: 'none',
      // The next sign-in of the same client happens on another port.
      redirectUri: 'http://localhost:51022/callback',
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
      says: 'It listens on any port of localhost, whatever was registered (C1, R-42, A-04).',
      holds: ({ answer }) => expect(answer.href).toMatch(/^http:\/\/localhost:(?:49817|51022)\/callback\?/),
    },
    {
      says: 'Its users read that any program on their computer could be asking (R-44).',
      holds: ({ consent }) => expect(consent.body).toContain('Any program on this computer could be asking.'),
    },
    {
      says: 'The consent page names the website that publishes its document (R-44, A-32).',
      only: 'metadata-document',
      holds: ({ consent, clientId }) => {
        expect(consent.body).toContain('Published by')
        expect(consent.body).toContain(new URL(clientId).host)
      },
    },
    {
      says: 'Several of its processes refresh with one refresh token at once, and all of them go on (T-12).',
      holds: async ({ refreshed, ask }) => {
        const form = { grant_type: 'refresh_token', refresh_token: String(refreshed.refresh_token) }
        const answers = await Promise.all(Array.from({ length: 5 }, () => ask(form)))
        expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
        expect(new Set(answers.map((answer) => answer.json().refresh_token)).size).toBe(1)
      },
    },
    {
      says: 'It adds offline_access because the metadata lists it, and gets the scopes of the route (A-13, D-34).',
      holds: ({ token, resourceMetadata }) =>
        expect(token.scope).toBe((resourceMetadata.scopes_supported as string[]).join(' ')),
    },
  ],
}
