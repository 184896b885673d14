import { type Client, GRANT_TYPES, type TokenEndpointAuthMethod } from '../domain/client.ts'
import type { PublicKeys } from '../domain/client-keys.ts'
import { describeRedirectUri } from '../domain/redirect-uri.ts'
import type { Secret } from '../domain/secret.ts'
import { hashToken } from '../domain/token.ts'

/** A client that the operator declared. */
export interface StaticClient {
  readonly clientId: string
  readonly clientName?: string
  readonly redirectUris: readonly string[]
  readonly tokenEndpointAuthMethod: TokenEndpointAuthMethod
  readonly clientSecret?: Secret
  readonly keys?: PublicKeys
}

/** Declared clients by id, in the form of registered ones. */
export function staticClients(declared: readonly StaticClient[]): ReadonlyMap<string, Client> {
  return new Map(declared.map((client) => [client.clientId, asClient(client)]))
}

function asClient(client: StaticClient): Client {
  const isNative = client.redirectUris.some((uri) => describeRedirectUri(uri).kind !== 'https')
  return {
    clientId: client.clientId,
    origin: 'static',
    redirectUris: client.redirectUris,
    tokenEndpointAuthMethod: client.tokenEndpointAuthMethod,
    grantTypes: GRANT_TYPES,
    applicationType: isNative ? 'native' : 'web',
    createdAt: 0,
    ...(client.clientName === undefined ? {} : { clientName: client.clientName }),
    ...(client.keys ? { keys: client.keys } : {}),
    ...(client.clientSecret === undefined ? {} : { secretHash: hashToken(client.clientSecret.reveal()) }),
  }
}
