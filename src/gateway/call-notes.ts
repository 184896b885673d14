import { createHmac, type KeyObject } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Audit, type AuditedCall, auditedUpstreamClient, auditedUser } from '../audit.ts'
import { canonicalJson } from '../domain/canonical-json.ts'
import { isClientIdUrl } from '../domain/client-id-url.ts'
import { tokenProviderOf } from '../domain/credential.ts'
import type { Message } from '../domain/message.ts'
import type { Route } from '../domain/route.ts'
import type { OpenAccess } from './access-cache.ts'
import type { ForwardOutcome } from './exchange.ts'

/** Messages that were read, and under whose name they came. */
export interface NotedRequest {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly route: Route
  readonly access: OpenAccess
  readonly messages: readonly Message[]
  readonly requestBytes: number
  /** ms since 1970. */
  readonly startedAt: number
}

/** Who did what, for the audit trail; notifications are not noted. */
export interface CallNotes {
  /** Whether each call is noted, or only those that are refused. */
  readonly everyCall: boolean
  /** Notes the calls of a request when the client has its answer, or has left. */
  begun(noted: NotedRequest): void
  /** What became of the request behind `reply`. */
  settled(reply: FastifyReply, outcome: ForwardOutcome): void
  /** Notes that the calls of a request were not forwarded, and which scopes would have helped. */
  refused(noted: NotedRequest, reason: string, missing?: readonly string[]): void
}

export interface CallNotesOptions {
  readonly audit: Audit
  /** Of the HMAC over arguments: digests compare within one deployment and tell nothing outside. */
  readonly digestKey: KeyObject
  /** Ids of the clients that the operator declared. */
  readonly staticClients: ReadonlySet<string>
  readonly everyCall: boolean
  readonly now: () => number
}

/** Callers choose the names of methods and tools; more than this of one is not kept. */
const MAX_NAME_LENGTH = 128

export function createCallNotes({ audit, digestKey, staticClients, everyCall, now }: CallNotesOptions): CallNotes {
  const answered = new WeakMap<FastifyReply, ForwardOutcome>()

  function verifiedBy({ signIn }: Route, clientId: string): AuditedCall['client']['verified'] {
    if (signIn === undefined) return 'token-issuer'
    if (staticClients.has(clientId)) return 'static'
    return isClientIdUrl(clientId) ? 'metadata-document' : 'registered'
  }

  function calls({ request, route, access, messages }: NotedRequest) {
    const { grant, identity, credential } = access
    const account = credential?.kind === 'user-pat' ? credential.pat?.account : undefined
    const issuedTo = credential?.kind === 'provider-token' ? credential.tokens.issuedTo : undefined
    const provider = tokenProviderOf(route.credential) ?? identity.provider
    const common = {
      requestId: request.id,
      address: request.ip,
      user: auditedUser(identity),
      client: { id: grant.clientId, verified: verifiedBy(route, grant.clientId) },
      routePath: route.path,
      grantId: grant.id,
      ...(account === undefined ? {} : { upstreamAccount: account }),
      ...auditedUpstreamClient(provider, issuedTo),
    }
    return messages.flatMap(({ operation, args }) =>
      operation === undefined || operation.method.startsWith('notifications/')
        ? []
        : [{ ...common, ...namesOf(operation), ...(args === undefined ? {} : { argumentDigest: digest(args) }) }],
    )
  }

  function digest(args: unknown): string {
    return createHmac('sha256', digestKey).update(canonicalJson(args)).digest('base64url')
  }

  function note(noted: NotedRequest): void {
    const { reply, requestBytes, startedAt } = noted
    const outcome = answered.get(reply)
    const result = {
      ...(reply.raw.headersSent ? { status: reply.raw.statusCode } : {}),
      durationMs: now() - startedAt,
      requestBytes,
      ...(outcome && 'bytes' in outcome ? { responseBytes: outcome.bytes } : {}),
    }
    for (const call of calls(noted)) audit({ event: 'call', ...call, ...result })
  }

  return {
    everyCall,
    begun(noted) {
      if (!everyCall) return
      // The answer closes before whoever forwarded it hears of that.
      noted.reply.raw.once('close', () => setImmediate(note, noted))
    },
    settled(reply, outcome) {
      if (everyCall) answered.set(reply, outcome)
    },
    refused(noted, reason, missing) {
      const granted = noted.access.access.scopes
      for (const call of calls(noted))
        audit({ event: 'call_refused', ...call, reason, granted, ...(missing === undefined ? {} : { missing }) })
    },
  }
}

function namesOf({ method, tool }: NonNullable<Message['operation']>): Pick<AuditedCall, 'method' | 'tool'> {
  const names = { method: method.slice(0, MAX_NAME_LENGTH) }
  return tool === undefined ? names : { ...names, tool: tool.slice(0, MAX_NAME_LENGTH) }
}
