import { expect } from 'vitest'
import type { GoldenClient, Probe } from '../golden-client.ts'
import { CALL, RESOURCE_METADATA, SERVER_METADATA, withHeaders } from './well-known.ts'

const PAGE = { origin: 'http://localhost:6274' }
const COMMON = {
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  client_name: 'MCP Inspector',
  client_uri: 'https://github.com/modelcontextprotocol/inspector',
  scope: 'mcp offline_access',
  application_type: 'native',
}

function preflight(url: string, method: string, headers: string): Probe {
  return {
    method: 'OPTIONS',
    url,
    headers: { ...PAGE, 'access-control-request-method': method, 'access-control-request-headers': headers },
    status: 204,
  }
}

const SHARED = {
  authorize: { scope: '{scopes} offline_access', resource: '{resource}', prompt: 'consent' },
  token: { redirect_uri: '{redirect_uri}', resource: '{resource}' },
  refresh: { resource: '{resource}' },
}

export const inspectorWeb: GoldenClient = {
  ...SHARED,
  name: 'Inspector (web)',
  source: 'modelcontextprotocol/inspector 2.12, routecraft#320, twenty#19836',
  registrations: [
    {
      way: 'dynamic',
      metadata: { ...COMMON, redirect_uris: ['http://localhost:6274/oauth/callback'] },
      authentication: 'none',
      redirectUri: 'http://localhost:6274/oauth/callback',
    },
  ],
  discovery: [
    preflight('{url}', 'POST', 'content-type,mcp-protocol-version'),
    withHeaders(CALL, PAGE),
    withHeaders(RESOURCE_METADATA, PAGE),
    withHeaders(SERVER_METADATA, PAGE),
    preflight('{issuer}/register', 'POST', 'content-type'),
    preflight('{issuer}/token', 'POST', 'content-type'),
  ],
  quirks: [
    {
      says: 'It runs in a web page: preflights, metadata and the 401 itself are readable from there (D-39, D-57).',
      holds: ({ probes }) => {
        for (const probe of probes) expect(['*', PAGE.origin]).toContain(probe.headers['access-control-allow-origin'])
        expect(probes[1]?.headers['access-control-expose-headers']).toMatch(/www-authenticate/i)
      },
    },
  ],
}

export const inspectorCli: GoldenClient = {
  ...SHARED,
  name: 'Inspector (CLI and TUI)',
  source: 'modelcontextprotocol/inspector 2.12 as observed; the real one runs in inspector-cli.test.ts',
  registrations: [
    {
      way: 'dynamic',
      metadata: { ...COMMON, redirect_uris: ['http://127.0.0.1:6276/oauth/callback'] },
      authentication: 'none',
      redirectUri: 'http://127.0.0.1:6276/oauth/callback',
    },
  ],
  discovery: [
    CALL,
    withHeaders(RESOURCE_METADATA, { 'mcp-protocol-version': '2025-11-25' }),
    withHeaders(SERVER_METADATA, { 'mcp-protocol-version': '2025-11-25' }),
  ],
  quirks: [
    {
      says: 'It registers anew at every login, with the same words: each time a client id of its own (R-13, B035).',
      holds: async ({ serverMetadata, registered }) => {
        const answer = await fetch(String(serverMetadata.registration_endpoint), {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ ...COMMON, redirect_uris: ['http://127.0.0.1:6276/oauth/callback'] }),
        })
        expect(answer.status).toBe(201)
        expect(((await answer.json()) as { client_id: string }).client_id).not.toBe(registered?.client_id)
      },
    },
  ],
}
