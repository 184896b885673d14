import { expect } from 'vitest'
import type { GoldenClient } from '../golden-client.ts'
import { CALL, RESOURCE_METADATA, SERVER_METADATA, withHeaders } from './well-known.ts'

const REDIRECTS = [
  'https://insiders.vscode.dev/redirect',
  'https://vscode.dev/redirect',
  'http://127.0.0.1/',
  'http://127.0.0.1:33418/',
]

export const vsCode: GoldenClient = {
  name: 'VS Code',
  source: 'microsoft/vscode, src/vs/base/common/oauth.ts and extHostAuthentication.ts',
  registrations: [
    {
      way: 'dynamic',
      metadata: {
        client_name: 'Visual Studio Code',
        client_uri: 'https://code.visualstudio.com',
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
        redirect_uris: REDIRECTS,
        scope: 'mcp',
        token_endpoint_auth_method: 'none',
        application_type: 'native',
      },
      authentication: 'none',
      // Another port than it registered, when its own is taken (vscode#278512).
      redirectUri: 'http://127.0.0.1:57212/',
    },
    {
      way: 'metadata-document',
      documentPath: '/vscode/oauth/client-metadata.json',
      metadata: {
        client_name: 'Visual Studio Code',
        client_uri: 'https://vscode.dev/product',
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
        redirect_uris: ['http://127.0.0.1:33418/', 'https://vscode.dev/redirect'],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
      },
      authentication: 'none',
      redirectUri: 'https://vscode.dev/redirect',
    },
  ],
  discovery: [
    withHeaders(CALL, { 'mcp-protocol-version': '2025-11-25' }),
    withHeaders(RESOURCE_METADATA, { accept: 'application/json', 'mcp-protocol-version': '2025-11-25' }),
    withHeaders(SERVER_METADATA, { accept: 'application/json' }),
  ],
  authorize: { scope: '{scopes}', resource: '{resource}' },
  token: { redirect_uri: '{redirect_uri}', resource: '{resource}' },
  refresh: { scope: '{scopes}', resource: '{resource}' },
  quirks: [
    {
      says: 'It gives up unless the metadata names exactly the URL that the user typed (D-03, D-05).',
      holds: ({ resourceMetadata, url }) => expect(resourceMetadata.resource).toBe(url),
    },
    {
      says: 'It asks for the device grant as well; what it gets is what exists here (R-05).',
      only: 'dynamic',
      holds: ({ registered, serverMetadata }) => {
        expect(registered?.grant_types).toEqual(['authorization_code', 'refresh_token'])
        expect(serverMetadata.grant_types_supported).toEqual(['authorization_code', 'refresh_token'])
      },
    },
    {
      says: 'It forgets secrets, so it must not be given one (R-03, R-04).',
      only: 'dynamic',
      holds: ({ registered }) => {
        expect(registered).toMatchObject({ token_endpoint_auth_method: 'none', redirect_uris: REDIRECTS })
        expect(registered).not.toHaveProperty('client_secret')
      },
    },
    {
      says: 'It listens on any port of 127.0.0.1 (RFC 8252 §7.3, A-04).',
      only: 'dynamic',
      holds: ({ answer }) => expect(answer.host).toBe('127.0.0.1:57212'),
    },
  ],
}
