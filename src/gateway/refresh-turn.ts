import { auditedUpstreamClient } from '../audit.ts'
import { type HeldTokens, hasExpired } from '../domain/credential.ts'
import type { Failpoints } from '../domain/failpoint.ts'
import type { Grant } from '../domain/grant.ts'
import type { RefreshRules } from '../domain/provider-profile.ts'
import { graceLeft, judgeDoubtful } from '../domain/refresh-intent.ts'
import type { IssuedTo } from '../domain/upstream-client.ts'
import type { IdentityOutcome, Provider, RefreshOutcome } from '../providers/provider.ts'
import type { CredentialPurpose, CredentialRow, PresentedInVain } from '../storage/records.ts'
import { openTokens, sealTokens } from '../vault.ts'
import type { DurableWrites } from './durable-writes.ts'
import type { Gateway } from './gateway.ts'
import type { RefreshPace } from './refresh-pace.ts'

/** Whose tokens are to be refreshed, and what the caller knows of them. */
export interface RefreshTask {
  readonly grant: Grant
  readonly purpose: CredentialPurpose
  readonly credentialId: string
  /** The version that was seen; a newer one is as good as a refresh. */
  readonly seenVersion: number
  /** The MCP server refuses the access token, so that it is worth nothing although it has not expired. */
  readonly refused: boolean
}

/**
 * What one attempt came to. `busy`: another process is at it. `doubtful`: the provider may have exchanged the refresh token,
 * and presenting it again is safe for `graceMs` more. `held_back`: it is not safe, and the access token still lives.
 */
export type TurnOutcome =
  | {
      readonly outcome: 'refreshed'
      readonly tokens: HeldTokens
      readonly row: CredentialRow
      readonly provider: Provider
      readonly identify?: () => Promise<IdentityOutcome>
    }
  | { readonly outcome: 'fresh'; readonly tokens: HeldTokens }
  | { readonly outcome: 'ended' | 'unavailable' | 'busy' }
  | { readonly outcome: 'doubtful'; readonly graceMs: number }
  | { readonly outcome: 'held_back'; readonly version: number }

/** Where the tokens of grants come from; undefined when the configuration no longer says so. */
export type ProviderOf = (grant: Grant, purpose: CredentialPurpose) => Provider | undefined

export interface TurnTools {
  readonly gateway: Gateway
  readonly providerOf: ProviderOf
  readonly pace: RefreshPace
  readonly writes: DurableWrites
  readonly failpoint?: Failpoints
}

/** A credential with what names it in the trail. */
interface Issued {
  readonly grant: Grant
  readonly row: CredentialRow
  readonly provider: string
  readonly issuedTo: IssuedTo | undefined
}

/**
 * What a refresh token came to that was presented `at`, and `before` without anybody learning the outcome; `relayedAt`: since
 * when somebody else has answered for the provider (ms since 1970).
 */
interface Presented {
  readonly at: number
  readonly before: number | undefined
  readonly relayedAt: number | undefined
  readonly outcome: RefreshOutcome
}

/** How long one process may hold the right to refresh; longer than any provider call. */
const LEASE_MS = 20_000

/**
 * One attempt to refresh: the right to it and the intent are stored first, then the provider is asked, then its answer is
 * stored. Whenever this process dies in between, the next one knows what the provider may have done.
 */
export async function takeTurn(tools: TurnTools, task: RefreshTask, urgent: boolean): Promise<TurnOutcome> {
  const { gateway, pace, failpoint } = tools
  const { grant, purpose } = task
  const row = await gateway.store.findCredential(grant.id, purpose)
  const provider = tools.providerOf(grant, purpose)
  if (!row || row.id !== task.credentialId || row.state !== 'live' || !provider) return { outcome: 'ended' }
  const held = await openTokens(gateway.vault, ownerOf(grant, row, provider), row.sealed)
  // Somebody else has refreshed it since the caller looked.
  if (row.version > task.seenVersion && !hasExpired(held, gateway.now())) return { outcome: 'fresh', tokens: held }
  const of: Issued = { grant, row, provider: provider.name, issuedTo: held.issuedTo }
  // Under another client's name a refresh token is refused, at some providers for good.
  const acting = await gateway.upstreamClients.recall(provider.name, grant.clientId, held.issuedTo)
  if (!acting) return endGrant(tools, of, 'upstream_client_changed')
  if (!held.refreshToken || !acting.provider.refresh) return endGrant(tools, of, 'no_refresh_token')
  const turn = urgent ? undefined : pace.mayTry(provider.name, row.id)
  if (!urgent && !turn) return { outcome: 'unavailable' }
  const { refreshToken } = held
  const refresh = acting.provider.refresh.bind(acting.provider)
  let asked = false
  const ask = () => {
    asked = true
    return refresh(refreshToken)
  }
  // In its turn: whoever waits for long must not hold the lease, nor note what has not been sent.
  const presented = await pace
    .enter(provider.name, () => present(tools, task, { row, held, rules: provider.refreshRules }, ask))
    .finally(() => asked || turn?.unused())
  if (presented === 'busy') return { outcome: 'busy' }
  if (presented === 'give-up') return endGrant(tools, of, 'refresh_interrupted')
  if (presented === 'wait') {
    await release(tools, row, 'doubtful')
    return { outcome: 'held_back', version: row.version }
  }
  gateway.metrics.upstreamRefreshes.inc({
    route: grant.routePath,
    provider: provider.name,
    outcome: presented.outcome.outcome,
    upstream_client: acting.issuedTo?.kind ?? 'shared',
  })
  failpoint?.('refresh.answered')
  return settle(tools, { ...of, issuedTo: acting.issuedTo }, acting.provider, presented)
}

/** Notes that the token is presented, and does so, unless that could do harm. */
async function present(
  { gateway, failpoint }: TurnTools,
  { refused }: RefreshTask,
  { row, held, rules }: { row: CredentialRow; held: HeldTokens; rules: RefreshRules | undefined },
  ask: () => Promise<RefreshOutcome>,
): Promise<Presented | 'busy' | 'wait' | 'give-up'> {
  const at = gateway.now()
  const claim = await gateway.store.claimRefresh(row.id, row.version, at, at + LEASE_MS)
  if (claim.outcome === 'lost') return 'busy'
  failpoint?.('refresh.claimed')
  const { presentedAt: before, relayedAt } = claim
  if (before !== undefined) {
    const accessAlive = !refused && servesOn(held, before, at)
    const verdict = judgeDoubtful(rules, { presentedAt: before, accessAlive }, at)
    if (verdict !== 'present') return verdict
  }
  return { at, before, relayedAt, outcome: await ask() }
}

async function settle(
  tools: TurnTools,
  of: Issued,
  provider: Provider,
  { at, before, relayedAt = at, outcome }: Presented,
): Promise<TurnOutcome> {
  const { gateway, pace } = tools
  const { grant, row, issuedTo } = of
  if (outcome.outcome === 'refreshed' || outcome.outcome === 'dead')
    gateway.upstreamClients.accepted(provider.name, issuedTo)
  if (outcome.outcome === 'refreshed') {
    pace.answered(provider.name, row.id)
    const obtained = { ...outcome.tokens, obtainedAt: gateway.now() }
    const tokens: HeldTokens = issuedTo === undefined ? obtained : { ...obtained, issuedTo }
    const { identify } = outcome
    return { outcome: 'refreshed', tokens, row, provider, ...(identify ? { identify } : {}) }
  }
  if (outcome.outcome === 'dead') {
    pace.answered(provider.name, row.id)
    return endGrant(tools, of, outcome.reason)
  }
  // A client that the provider has surely lost can refresh nothing any more; the next sign-in registers another.
  const isLost = outcome.outcome === 'misconfigured' && outcome.reason === 'invalid_client'
  if (isLost && (await gateway.upstreamClients.refused(provider.name, grant.clientId, issuedTo, 'refresh'))) {
    pace.answered(provider.name, row.id)
    return endGrant(tools, of, outcome.reason)
  }
  const { reason, unspent, relayed = false, retryAfterMs } = outcome
  const level = outcome.outcome === 'misconfigured' ? 'error' : 'warn'
  gateway.logger[level](
    { grantId: grant.id, provider: provider.name, reason, unspent },
    `provider refused to refresh: ${outcome.outcome}`,
  )
  pace.failed(provider.name, row.id, retryAfterMs)
  // An earlier presentation stays doubtful, whatever became of this one.
  const isCertain = unspent && before === undefined
  const known = relayed ? 'relayed' : 'unspent'
  await release(tools, row, isCertain ? known : 'doubtful')
  if (isCertain && !relayed) return { outcome: 'unavailable' }
  // An outage in which others answer may last for hours: its first answer begins the one grace that is made use of.
  const graceMs = graceLeft(provider.refreshRules, isCertain ? relayedAt : (before ?? at), gateway.now())
  return graceMs === 0 ? { outcome: 'unavailable' } : { outcome: 'doubtful', graceMs }
}

/** For so long a doubtful token without a known end is taken to live. */
const UNTOLD_LIFE_MS = 60 * 60_000

/** Whether the access token works on; without a known end not for ever, because its user has to be asked about again. */
function servesOn(held: HeldTokens, presentedAt: number, now: number): boolean {
  if (held.expiresAt === undefined) return now < presentedAt + UNTOLD_LIFE_MS
  return !hasExpired(held, now)
}

/** That a token is unspent must be stored as surely as a new one: otherwise it would be given up one day. */
async function release({ gateway, writes }: TurnTools, row: CredentialRow, known: PresentedInVain): Promise<void> {
  await writes.persist(() => gateway.store.releaseRefresh(row.id, row.version, known))
}

/** Seals new tokens for their row. */
export function sealFor(gateway: Gateway, grant: Grant, row: CredentialRow, provider: Provider, tokens: HeldTokens) {
  return sealTokens(gateway.vault, ownerOf(grant, row, provider), tokens)
}

/** A tombstone first: a dead refresh token must never be sent again, whatever happens to the rest. */
async function endGrant({ gateway, writes }: TurnTools, of: Issued, reason: string): Promise<TurnOutcome> {
  const { grant, row, provider, issuedTo } = of
  const killed = await writes.persist(() => gateway.store.killCredential(row.id, row.version))
  // Somebody else has refreshed meanwhile: what was refused is an old token, and the newer one lives (C09).
  if (killed === 'lost' && (await gateway.store.findCredentialById(row.id))?.state === 'live')
    return { outcome: 'busy' }
  await writes.persist(() => gateway.grantEnds.end(grant, { reason, ...auditedUpstreamClient(provider, issuedTo) }))
  return { outcome: 'ended' }
}

function ownerOf(grant: Grant, row: CredentialRow, provider: Provider) {
  return { id: row.id, grantId: grant.id, routePath: grant.routePath, provider: provider.name }
}
