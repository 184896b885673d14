import type { Client } from './domain/client.ts'
import type { Identity } from './domain/identity.ts'
import type { IssuedTo, UpstreamClientKind } from './domain/upstream-client.ts'

/** Which request it happened in; `address` is the client's, as far as the configuration lets us know it. */
interface Circumstances {
  readonly requestId?: string
  readonly address?: string
}

/** The client, and how we know it: declared by the operator, or by its own word alone. */
export interface AuditedClient {
  readonly id: string
  readonly name?: string
  /** `token-issuer`: named in a token of another authorization server. */
  readonly verified: Client['origin'] | 'token-issuer'
}

/** The user, as the provider vouched for them. */
export interface AuditedUser {
  readonly provider: string
  readonly subject: string
  readonly email?: string
}

/** The client that the gateway is at a provider, as that provider's own records name it. */
export interface AuditedUpstreamClient {
  readonly provider: string
  readonly kind: UpstreamClientKind
  readonly id: string
  readonly name?: string
}

/** Facts in which the gateway acted at a provider, or sends what one issued to it. */
interface AtProvider {
  readonly upstreamClient?: AuditedUpstreamClient
}

interface OfGrant {
  readonly client: AuditedClient
  readonly routePath: string
  readonly grantId: string
}

/** A token that a provider issued for an MCP server, or not, in exchange for the user's own. */
interface OfExchange {
  readonly user: AuditedUser
  readonly clientId: string
  readonly routePath: string
  readonly grantId: string
  readonly provider: string
}

/** One JSON-RPC request on a route: who asked for what, and as whom the MCP server knows them. */
export interface AuditedCall extends OfGrant, AtProvider {
  readonly user: AuditedUser
  readonly method: string
  readonly tool?: string
  readonly upstreamAccount?: string
  /** Keyed hash of the canonical arguments: the same ones are recognised, none can be read or guessed. */
  readonly argumentDigest?: string
}

/** Facts that somebody will want to look up later. They name who, with what, on which route; never a secret. */
export type AuditEvent = Circumstances &
  (
    | { readonly event: 'client_registered' | 'client_updated' | 'client_deleted'; readonly client: AuditedClient }
    | ({
        readonly event: 'upstream_client_registered' | 'upstream_client_removed' | 'upstream_client_forgotten'
        readonly clientId: string
      } & AtProvider)
    | ({
        readonly event: 'consent_given'
        readonly client: AuditedClient
        readonly routePath: string
        readonly remembered: boolean
      } & AtProvider)
    | { readonly event: 'consent_denied'; readonly client: AuditedClient }
    | ({ readonly event: 'signed_in'; readonly user: AuditedUser; readonly scopes: readonly string[] } & OfGrant &
        AtProvider)
    | ({
        readonly event: 'token_connected'
        readonly user: AuditedUser
        readonly client: AuditedClient
        readonly routePath: string
        readonly upstreamAccount?: string
      } & AtProvider)
    | {
        readonly event: 'credential_refused'
        readonly user: AuditedUser
        readonly routePath: string
        readonly grantId: string
      }
    | ({ readonly event: 'token_exchanged' } & OfExchange)
    | ({ readonly event: 'token_exchange_refused'; readonly reason: string } & OfExchange)
    | ({
        readonly event: 'sign_in_failed'
        readonly provider: string
        readonly clientId: string
        readonly routePath: string
        readonly reason: string
      } & AtProvider)
    | {
        readonly event: 'access_denied'
        readonly user: AuditedUser
        readonly client: AuditedClient
        readonly routePath: string
        readonly reason: string
      }
    | ({ readonly event: 'token_issued' | 'token_refreshed' | 'token_retried'; readonly user: AuditedUser } & OfGrant &
        AtProvider)
    | ({ readonly event: 'code_replayed' | 'refresh_token_reused' | 'token_revoked' } & OfGrant)
    | ({
        readonly event: 'grant_revoked'
        readonly grantId: string
        readonly clientId: string
        readonly routePath: string
        readonly reason: string
      } & AtProvider)
    | {
        readonly event: 'session_refused'
        readonly grantId: string
        readonly clientId: string
        readonly routePath: string
        readonly reason: 'unknown' | 'foreign' | 'without_session'
      }
    | ({
        readonly event: 'call'
        /** Absent when the client left before it was answered. */
        readonly status?: number
        readonly durationMs: number
        readonly requestBytes: number
        /** Of the MCP server's answer, as far as the client got it. */
        readonly responseBytes?: number
      } & AuditedCall)
    | ({
        readonly event: 'call_refused'
        readonly reason: string
        /** Scopes of the token, and those that would have helped. */
        readonly granted: readonly string[]
        readonly missing?: readonly string[]
      } & AuditedCall)
    | {
        readonly event: 'audience_refused'
        readonly grantId: string
        readonly clientId: string
        readonly routePath: string
      }
  )

/** Takes note of a fact; never throws and never waits. */
export type Audit = (event: AuditEvent) => void

/** How the trail names a client. */
export function auditedClient(client: Client): AuditedClient {
  const { clientId: id, clientName: name, origin: verified } = client
  return { id, verified, ...(name === undefined ? {} : { name }) }
}

/** How the trail names a user. */
export function auditedUser({ provider, subject, email }: Identity): AuditedUser {
  return { provider, subject, ...(email === undefined ? {} : { email }) }
}

/** How the trail names the client that the gateway is at a provider; nothing where it has none. */
export function auditedUpstreamClient(provider: string, issued: IssuedTo | undefined): AtProvider {
  if (!issued) return {}
  const { kind, clientId: id, name } = issued
  return { upstreamClient: { provider, kind, id, ...(name === undefined ? {} : { name }) } }
}
