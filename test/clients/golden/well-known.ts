import type { Probe } from '../golden-client.ts'

/** Tries a call first, without a token. */
export const CALL: Probe = { method: 'POST', url: '{url}', headers: { accept: 'application/json' }, status: 401 }
/** Where RFC 9728 §3.1 puts the metadata of the MCP URL. */
export const RESOURCE_METADATA: Probe = { url: '{issuer}/.well-known/oauth-protected-resource{path}', status: 200 }
/** A document there would be about another URL, since this gateway has more than one route. */
export const ROOT_RESOURCE_METADATA: Probe = { url: '{issuer}/.well-known/oauth-protected-resource', status: 404 }
export const SERVER_METADATA: Probe = { url: '{issuer}/.well-known/oauth-authorization-server', status: 200 }
/** Nothing may be there: its `issuer` would not be the one that the address was made from. */
export const SERVER_METADATA_OF_PATH: Probe = {
  url: '{issuer}/.well-known/oauth-authorization-server{path}',
  status: 404,
}

/** The same request with headers. */
export function withHeaders(probe: Probe, headers: Readonly<Record<string, string>>): Probe {
  return { ...probe, headers: { ...probe.headers, ...headers } }
}
