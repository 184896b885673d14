import { LRUCache } from 'lru-cache'
import { auditedUser } from '../audit.ts'
import type { CredentialRule, HeldTokens } from '../domain/credential.ts'
import type { Route } from '../domain/route.ts'
import type { Secret } from '../domain/secret.ts'
import { hashToken } from '../domain/token.ts'
import type { ExchangeOutcome } from '../providers/provider.ts'
import type { OpenAccess } from './access-cache.ts'
import type { FreshCredentials } from './fresh-credential.ts'
import type { Gateway } from './gateway.ts'

export type ExchangeRule = Extract<CredentialRule, { kind: 'token-exchange' }>

/** A token that was issued for the MCP server, or why there is none now; `ended`: the user must sign in again. */
export type ServerToken =
  | { readonly outcome: 'exchanged'; readonly token: Secret }
  | { readonly outcome: 'ended' | Exclude<ExchangeOutcome['outcome'], 'exchanged'> }

/** Tokens that providers issue for MCP servers in exchange for users' own (RFC 8693): in memory, never stored. */
export interface ExchangedTokens {
  /** The token for this user's grant; one exchange at a time for each, shared by all who wait for it. */
  forAccess(route: Route, rule: ExchangeRule, access: OpenAccess): Promise<ServerToken>
  /** After the MCP server refused `refused`: another one, or undefined when there is none to be had. */
  afterRefusal(route: Route, rule: ExchangeRule, access: OpenAccess, refused: string): Promise<ServerToken | undefined>
  /** Forgets what was issued for a grant, because it has ended. */
  drop(grantId: string): void
}

/** What came of asking the provider. */
interface Asked {
  readonly result: ServerToken
  /** Present when it may be kept. */
  readonly entry?: Kept
  /** How long the provider wants to be left alone, ms. */
  readonly retryAfterMs?: number
}

interface Failed {
  readonly result: ServerToken
  /** ms since 1970. */
  readonly at: number
  readonly pauseMs: number
}

interface Kept {
  readonly token: Secret
  /** Hash of the token that it was exchanged for: another one is another exchange. */
  readonly subject: string
  /** ms since 1970, as is `endsAt`: a token without a known end is good until it is renewed. */
  readonly renewAt: number
  readonly endsAt: number
  /** Set when it replaces one that the server had refused. */
  readonly replacedAt?: number
}

const MAX_KEPT = 10_000
/** Share of its life after which a token is exchanged anew. */
const RENEW_AT = 0.8
/** For tokens whose life nobody tells, and the most for all others: what a provider takes back ends here by then. */
const UNTOLD_LIFE_MS = 5 * 60_000
const LONGEST_USE_MS = 60 * 60_000
/** After a failed exchange the provider is left alone for a while, so that every request does not ask again; */
const PAUSE_MS = 5_000
/** longer where it wants that, but it may be wrong about itself. */
const LONGEST_PAUSE_MS = 5 * 60_000
/** A token this young does not get better by having it issued once more: it is refused for other reasons. */
const YOUNG_MS = 30_000

/** Exchanges what `credentials` keeps fresh. */
export function createExchangedTokens(gateway: Gateway, credentials: FreshCredentials): ExchangedTokens {
  const kept = new LRUCache<string, Kept>({ max: MAX_KEPT })
  const failed = new LRUCache<string, Failed>({ max: MAX_KEPT })
  const underWay = new Map<string, Promise<ServerToken>>()

  /** A clock that was set back makes nothing young. */
  const isYounger = (at: number, ms: number) => Math.abs(gateway.now() - at) < ms

  async function obtain(
    route: Route,
    rule: ExchangeRule,
    access: OpenAccess,
    replacedAt: number | undefined,
  ): Promise<ServerToken> {
    const grantId = access.grant.id
    const subject = await credentials.forAccess(access)
    const present = kept.get(grantId)
    const now = gateway.now()
    if (subject.outcome === 'ended') return subject
    if (subject.outcome === 'unavailable') return orStillGood(subject, present, now)
    const { tokens } = subject
    if (present?.subject === hashOf(tokens) && now < present.renewAt) return asResult(present)
    const running = underWay.get(grantId)
    if (running) return running
    const pause = failed.get(grantId)
    if (pause && isYounger(pause.at, pause.pauseMs)) return orStillGood(pause.result, present, now)

    // What ends meanwhile is dropped from `underWay`, and then nothing of it is kept.
    const flight: Promise<ServerToken> = exchange(route, rule, access, tokens)
      .then(({ result, entry, retryAfterMs = 0 }) => {
        if (underWay.get(grantId) !== flight) return result
        if (entry) {
          kept.set(grantId, replacedAt === undefined ? entry : { ...entry, replacedAt })
          failed.delete(grantId)
          return result
        }
        const pauseMs = Math.min(Math.max(PAUSE_MS, retryAfterMs), LONGEST_PAUSE_MS)
        failed.set(grantId, { result, at: gateway.now(), pauseMs })
        return orStillGood(result, present, gateway.now())
      })
      .finally(() => {
        if (underWay.get(grantId) === flight) underWay.delete(grantId)
      })
    underWay.set(grantId, flight)
    return flight
  }

  /** One exchange; for a refused token that is not young a second one with a newer token, if that can be had. */
  async function exchange(route: Route, rule: ExchangeRule, access: OpenAccess, tokens: HeldTokens): Promise<Asked> {
    const first = await ask(route, rule, access, tokens)
    if (first.result.outcome !== 'subject_refused') return first
    // Fresh ones are refused for a reason that no sign-in would mend.
    if (isYounger(tokens.obtainedAt, YOUNG_MS)) return first
    const newer = await credentials.afterRefusal(access)
    if (newer.outcome !== 'fresh') return { result: newer }
    return hashOf(newer.tokens) === hashOf(tokens) ? first : ask(route, rule, access, newer.tokens)
  }

  async function ask(route: Route, rule: ExchangeRule, access: OpenAccess, tokens: HeldTokens): Promise<Asked> {
    const acting = await gateway.upstreamClients.recall(rule.provider, access.grant.clientId, tokens.issuedTo)
    const exchange = acting?.provider.exchange
    const outcome: ExchangeOutcome = (await exchange?.(tokens.accessToken, rule.request)) ?? UNKNOWN
    gateway.metrics.tokenExchanges.inc({ provider: rule.provider, outcome: outcome.outcome })
    if (outcome.outcome === 'exchanged') gateway.upstreamClients.accepted(rule.provider, tokens.issuedTo)
    note(route, rule, access, outcome)
    if (outcome.outcome !== 'exchanged') {
      const { reason, retryAfterMs } = outcome
      const isLost = reason === 'invalid_client' && (await isForgotten(rule, access, tokens))
      const result = { outcome: isLost ? 'ended' : outcome.outcome } as const
      return { result, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
    }
    const { token, expiresAt } = outcome.exchanged
    const now = gateway.now()
    const endsAt = Math.min(expiresAt ?? now + UNTOLD_LIFE_MS, now + LONGEST_USE_MS)
    const renewAt = now + (endsAt - now) * RENEW_AT
    return { result: { outcome: 'exchanged', token }, entry: { token, subject: hashOf(tokens), renewAt, endsAt } }
  }

  /** Nobody could exchange anything as a client that the provider has lost: the next sign-in registers another. */
  async function isForgotten(rule: ExchangeRule, { grant }: OpenAccess, { issuedTo }: HeldTokens): Promise<boolean> {
    return gateway.upstreamClients.refused(rule.provider, grant.clientId, issuedTo, 'exchange')
  }

  function note(route: Route, { provider }: ExchangeRule, access: OpenAccess, outcome: ExchangeOutcome): void {
    const { id: grantId, clientId } = access.grant
    const facts = { user: auditedUser(access.identity), clientId, routePath: route.path, grantId, provider }
    if (outcome.outcome === 'exchanged') {
      gateway.audit({ event: 'token_exchanged', ...facts })
      return
    }
    const { reason } = outcome
    const level = outcome.outcome === 'unavailable' || outcome.outcome === 'interaction_required' ? 'warn' : 'error'
    gateway.logger[level](
      { route: route.path, provider, grantId, reason },
      `provider did not exchange a token: ${outcome.outcome}`,
    )
    if (outcome.outcome !== 'unavailable') gateway.audit({ event: 'token_exchange_refused', ...facts, reason })
  }

  return {
    forAccess: (route, rule, access) => obtain(route, rule, access, undefined),
    async afterRefusal(route, rule, access, refused) {
      const grantId = access.grant.id
      const present = kept.get(grantId)
      if (present?.token.reveal() === refused) {
        // One new token for each refusal, but no storm of them against a server that refuses everything.
        if (present.replacedAt !== undefined && isYounger(present.replacedAt, YOUNG_MS)) return undefined
        kept.delete(grantId)
      }
      const next = await obtain(route, rule, access, gateway.now())
      return next.outcome === 'exchanged' && next.token.reveal() === refused ? undefined : next
    },
    drop(grantId) {
      kept.delete(grantId)
      failed.delete(grantId)
      underWay.delete(grantId)
    },
  }
}

const UNKNOWN: ExchangeOutcome = { outcome: 'misconfigured', reason: 'exchange_unknown' }

function hashOf(tokens: HeldTokens): string {
  return hashToken(tokens.accessToken.reveal())
}

function asResult({ token }: Kept): ServerToken {
  return { outcome: 'exchanged', token }
}

/** While a provider is away, a token that lives still does. */
function orStillGood(result: ServerToken, present: Kept | undefined, now: number): ServerToken {
  return result.outcome === 'unavailable' && present && now < present.endsAt ? asResult(present) : result
}
