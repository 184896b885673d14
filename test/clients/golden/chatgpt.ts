import { expect } from 'vitest'
import type { GoldenClient } from '../golden-client.ts'
import { CALL, RESOURCE_METADATA, ROOT_RESOURCE_METADATA, SERVER_METADATA } from './well-known.ts'

const STABLE = 'https://chatgpt.com/connector_platform_oauth_redirect'
const OWN = 'https://chatgpt.com/connector/oauth/OUbdUMlL15Ct'
const COMMON = {
  client_name: 'ChatGPT',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
}

export const chatGpt: GoldenClient = {
  name: 'ChatGPT',
  source: 'developers.openai.com Apps SDK authentication guide, omi#8824, android-remote-control-mcp#166',
  registrations: [
    {
      way: 'dynamic',
      metadata: { ...COMMON, redirect_uris: [OWN], token_endpoint_auth_method: 'none' },
      authentication: 'none',
      redirectUri: OWN,
    },
    {
      way: 'metadata-document',
      documentPath: '/chatgpt/oauth/client.json',
      metadata: {
        ...COMMON,
        client_uri: 'https://chatgpt.com',
        redirect_uris: [STABLE],
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
        token_endpoint_auth_signing_alg: 'RS256',
      },
      authentication: 'private_key_jwt',
      redirectUri: STABLE,
    },
  ],
  discovery: [CALL, ROOT_RESOURCE_METADATA, RESOURCE_METADATA, SERVER_METADATA],
  authorize: { scope: '{scopes}', resource: '{resource}' },
  token: { redirect_uri: '{redirect_uri}', resource: '{resource}' },
  refresh: { resource: '{resource}' },
  quirks: [
    {
      says: 'It compares the issuer byte for byte, in the metadata and in the answer (D-21, A-08, A-09).',
      holds: ({ serverMetadata, answer, issuer }) => {
        expect(serverMetadata.issuer).toBe(issuer)
        expect(answer.search).toContain(`iss=${encodeURIComponent(issuer)}`)
      },
    },
    {
      says: 'It uses its stable callback only where iss is announced (RFC 9207 §3, D-32).',
      holds: ({ serverMetadata }) => expect(serverMetadata.authorization_response_iss_parameter_supported).toBe(true),
    },
    {
      says: 'Each connection registers for itself, with a callback of its own (R-13).',
      only: 'dynamic',
      holds: ({ registered }) => expect(registered?.redirect_uris).toEqual([OWN]),
    },
    {
      says: 'Its document asks for signed assertions, and without one there is no token (R-43, T-06).',
      only: 'metadata-document',
      holds: async ({ serverMetadata, clientId, refreshed }) => {
        expect(serverMetadata.token_endpoint_auth_methods_supported).toContain('private_key_jwt')
        expect(serverMetadata.token_endpoint_auth_signing_alg_values_supported).toContain('RS256')
        const form = {
          grant_type: 'refresh_token',
          refresh_token: String(refreshed.refresh_token),
          client_id: clientId,
        }
        const answer = await fetch(String(serverMetadata.token_endpoint), {
          method: 'POST',
          body: new URLSearchParams(form),
        })
        expect([answer.status, await answer.json()]).toMatchObject([401, { error: 'invalid_client' }])
      },
    },
  ],
}
