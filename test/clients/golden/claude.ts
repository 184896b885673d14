import { expect } from 'vitest'
import { ask } from '../../fixtures/http-exchange.ts'
import type { GoldenClient } from '../golden-client.ts'
import { CALL, RESOURCE_METADATA, SERVER_METADATA } from './well-known.ts'

const CALLBACK = 'https://claude.ai/api/mcp/auth_callback'
const COMMON = {
  client_name: 'Claude',
  client_uri: 'https://claude.ai',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
}

export const claude: GoldenClient = {
  name: 'Claude (web, desktop, mobile)',
  source: 'claude.com connector documentation, claude-ai-mcp issues 500, 667, 680, 1043',
  registrations: [
    {
      way: 'dynamic',
      // Without a scope, and confidential (claude-ai-mcp#1043).
      metadata: { ...COMMON, redirect_uris: [CALLBACK], token_endpoint_auth_method: 'client_secret_post' },
      authentication: 'client_secret_post',
      redirectUri: CALLBACK,
    },
    {
      way: 'metadata-document',
      documentPath: '/claude/oauth/mcp-oauth-client-metadata',
      metadata: {
        ...COMMON,
        grant_types: [...COMMON.grant_types, 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
        redirect_uris: [CALLBACK, 'https://claude.com/api/mcp/auth_callback'],
        token_endpoint_auth_method: 'none',
      },
      authentication: 'none',
      redirectUri: CALLBACK,
    },
  ],
  discovery: [
    { url: '{url}', headers: { accept: 'text/event-stream' }, status: 401 },
    CALL,
    RESOURCE_METADATA,
    SERVER_METADATA,
  ],
  authorize: { scope: '{scopes}', resource: '{resource}' },
  token: { redirect_uri: '{redirect_uri}', resource: '{resource}' },
  refresh: { resource: '{resource}' },
  quirks: [
    {
      says: 'It begins with a GET and must find a real 401 with the challenge there (D-56).',
      holds: ({ probes, issuer }) =>
        expect(probes[0]?.headers['www-authenticate']).toContain(
          `resource_metadata="${issuer}/.well-known/oauth-protected-resource/`,
        ),
    },
    {
      says: 'It reads only the first authorization server (D-02).',
      holds: ({ resourceMetadata, serverMetadata }) =>
        expect(resourceMetadata.authorization_servers).toEqual([serverMetadata.issuer]),
    },
    {
      says: 'It uses its metadata document only where those are announced together with the method none (D-29, D-31).',
      holds: ({ serverMetadata }) => {
        expect(serverMetadata.client_id_metadata_document_supported).toBe(true)
        expect(serverMetadata.token_endpoint_auth_methods_supported).toContain('none')
      },
    },
    {
      says: 'It registers as confidential, sends its secret in the body, and wants to know where to manage itself (R-03, R-14).',
      only: 'dynamic',
      holds: ({ registered, issuer }) =>
        expect(registered).toMatchObject({
          token_endpoint_auth_method: 'client_secret_post',
          client_secret: expect.any(String),
          client_secret_expires_at: 0,
          registration_client_uri: expect.stringContaining(`${issuer}/register/`),
        }),
    },
    {
      says: 'It hardly ever asks for offline_access and gets a refresh token all the same (T-15).',
      holds: ({ token, refreshed }) => {
        expect(token.refresh_token).toMatch(/^mgh_rt_/)
        expect(refreshed.refresh_token).not.toBe(token.refresh_token)
      },
    },
    {
      says: 'It registers anew on invalid_client, so nothing else may be answered for a client that is gone (T-21).',
      only: 'dynamic',
      holds: async ({ serverMetadata }) => {
        const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'x', client_id: 'client-gone' })
        const answer = await ask(String(serverMetadata.token_endpoint), { body })
        expect([answer.status, answer.json().error]).toEqual([401, 'invalid_client'])
      },
    },
  ],
}
