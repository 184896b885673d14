import { expect } from 'vitest'
import type { GoldenClient } from '../golden-client.ts'
import { CALL, RESOURCE_METADATA, SERVER_METADATA, withHeaders } from './well-known.ts'

const REDIRECTS = [
  'http://localhost:8787/callback',
  'https://www.cursor.com/agents/mcp/oauth/callback',
  'cursor://anysphere.cursor-mcp/oauth/callback',
]

export const cursor: GoldenClient = {
  name: 'Cursor',
  source: 'registration bodies in erp-mafia/accounted#2225, inbox-zero#3780, bytebase#20510',
  registrations: [
    {
      way: 'dynamic',
      metadata: {
        client_name: 'Cursor',
        redirect_uris: REDIRECTS,
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        application_type: 'web',
      },
      authentication: 'none',
      redirectUri: 'cursor://anysphere.cursor-mcp/oauth/callback',
    },
    {
      way: 'dynamic',
      metadata: { client_name: 'Cursor', redirect_uris: REDIRECTS, token_endpoint_auth_method: 'none' },
      authentication: 'none',
      redirectUri: 'http://localhost:8787/callback',
    },
  ],
  discovery: [
    CALL,
    withHeaders(RESOURCE_METADATA, { 'mcp-protocol-version': '2025-11-25' }),
    withHeaders(SERVER_METADATA, { 'mcp-protocol-version': '2025-11-25' }),
  ],
  authorize: { scope: '{scopes} offline_access', resource: '{resource}' },
  token: { redirect_uri: '{redirect_uri}', resource: '{resource}' },
  refresh: { resource: '{resource}' },
  quirks: [
    {
      says: 'One refused redirect URI would end its registration: a loopback one, a website and a scheme of its own are all registered (R-07, R-09).',
      holds: ({ registered }) => expect(registered?.redirect_uris).toEqual(REDIRECTS),
    },
    {
      says: 'It calls itself a web application, which its redirect URIs contradict; it is registered as native (R-08).',
      holds: ({ registered }) => expect(registered?.application_type).toBe('native'),
    },
    {
      says: 'Its users read where the answer goes, a link to an app or a program on this computer (A-32, C2).',
      holds: ({ consent }) => expect(consent.body).toMatch(/An app on this device|A program on this computer/),
    },
    {
      says: 'A page with a link hands over to its scheme, in case the browser does not (A-41).',
      holds: ({ end, answer }) => {
        if (answer.protocol === 'http:') return expect(end.stopped).toBe(true)
        expect([end.status, answer.protocol]).toEqual([200, 'cursor:'])
        expect(end.body).toContain('You are signed in')
      },
    },
  ],
}
