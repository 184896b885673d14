import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { type HeldTokens, hasExpired } from '../domain/credential.ts'
import type { Grant } from '../domain/grant.ts'
import type { Route } from '../domain/route.ts'
import type { IdentityOutcome, Provider } from '../providers/provider.ts'
import type { CredentialRow } from '../storage/records.ts'
import { checkIdentity } from './identity-check.ts'
import { type RefreshTask, sealFor, type TurnOutcome, type TurnTools, takeTurn } from './refresh-turn.ts'

/** A provider token to send now; `ended`: the user must sign in again; `unavailable`: later it may work. */
export type FreshToken =
  | { readonly outcome: 'fresh'; readonly tokens: HeldTokens }
  | { readonly outcome: 'ended' }
  | { readonly outcome: 'unavailable' }

/** Refreshes under way in this process, one for each credential. */
export interface RefreshFlights {
  /**
   * Joins the refresh that is under way, or begins one. It is detached from every caller, so that a client who leaves
   * cannot waste a rotated token. `urgent` ones do not wait until their provider has recovered. Never rejects.
   */
  refresh(task: RefreshTask, urgent?: boolean): Promise<FreshToken>
  /** Tokens that replace this version of a credential and are not stored yet. */
  unsaved(row: CredentialRow): HeldTokens | undefined
  /** Whether the refresh token of this version must not be presented while its access token lives. */
  isHeldBack(row: CredentialRow): boolean
  /** Begins nothing by itself any more. Resolves when no refresh is under way. */
  idle(): Promise<void>
}

/** Between the attempts at once to get the answer that was lost, as long as the provider's grace lasts. */
const PROMPT_PAUSES_MS = [250, 1000]
const FIRST_LATER_MS = 2000
const LONGEST_LATER_MS = 60_000
/** A grace that is nearly over is not halved any further. */
const LAST_LATER_MS = 500
/** How often to look whether another process is done, and for how long at the most: longer than any lease. */
const BUSY_STEP_MS = 200
const BUSY_MS = 25_000
/** How long callers wait for the database before they get a token that is not stored yet. */
const COMMIT_PATIENCE_MS = 500

export function createRefreshFlights(tools: TurnTools, routeOf: (path: string) => Route | undefined): RefreshFlights {
  const { gateway, writes, failpoint } = tools
  const underWay = new Map<string, Promise<FreshToken>>()
  const issued = new Map<string, { readonly version: number; readonly tokens: HeldTokens }>()
  const heldBack = new LRUCache<string, number>({ max: 10_000 })
  const later = new Map<string, NodeJS.Timeout>()
  let closing = false

  function refresh(task: RefreshTask, urgent = false, pursued = 0): Promise<FreshToken> {
    const running = underWay.get(task.credentialId)
    if (running) return running
    const started = fly(task, urgent, pursued)
      .catch((error: unknown): FreshToken => {
        gateway.logger.error({ err: error, grantId: task.grant.id }, 'provider token could not be refreshed')
        return { outcome: 'unavailable' }
      })
      .finally(() => underWay.delete(task.credentialId))
    underWay.set(task.credentialId, started)
    return started
  }

  async function fly(task: RefreshTask, urgent: boolean, pursued: number): Promise<FreshToken> {
    const unstored = issued.get(task.credentialId)
    if (unstored && task.seenVersion <= unstored.version) return standIn(task, unstored.tokens)
    const waiting = performance.now() + BUSY_MS
    let turn = await takeTurn(tools, task, urgent)
    while (turn.outcome === 'busy' && performance.now() < waiting) {
      await sleep(BUSY_STEP_MS)
      turn = await takeTurn(tools, task, urgent)
    }
    for (const pauseMs of PROMPT_PAUSES_MS) {
      if (turn.outcome !== 'doubtful' || turn.graceMs <= pauseMs) break
      await sleep(pauseMs)
      turn = await takeTurn(tools, task, true)
    }
    if (turn.outcome === 'doubtful') pursue(task, turn.graceMs, pursued)
    return conclude(task, turn)
  }

  /** The store still has the token that these replaced: whatever its lease says, that one must not be presented again. */
  function standIn({ refused }: RefreshTask, tokens: HeldTokens): FreshToken {
    return refused || hasExpired(tokens, gateway.now()) ? { outcome: 'unavailable' } : { outcome: 'fresh', tokens }
  }

  async function conclude(task: RefreshTask, turn: TurnOutcome): Promise<FreshToken> {
    switch (turn.outcome) {
      case 'refreshed':
        return keep(task, turn)
      case 'fresh':
        return turn
      case 'ended':
        return { outcome: 'ended' }
      case 'held_back':
        heldBack.set(task.credentialId, turn.version)
        return { outcome: 'unavailable' }
      case 'doubtful':
      case 'busy':
      case 'unavailable':
        return { outcome: 'unavailable' }
    }
  }

  /** The provider may have spent the old token already: losing the new one would lose the user. */
  async function keep(
    task: RefreshTask,
    { row, tokens, provider, identify }: Extract<TurnOutcome, { outcome: 'refreshed' }>,
  ): Promise<FreshToken> {
    const { grant } = task
    const sealed = await sealFor(gateway, grant, row, provider, tokens)
    const entry = { version: row.version, tokens }
    issued.set(row.id, entry)
    const stored = writes
      .persist(() => gateway.store.replaceCredential(row.id, row.version, sealed, tokens.expiresAt))
      .finally(() => issued.get(row.id) === entry && issued.delete(row.id))
      .then((outcome) => (outcome === 'lost' ? afterLoss(grant, provider, tokens) : outcome))
    const won = await Promise.race([stored, sleep(COMMIT_PATIENCE_MS, 'later' as const, { ref: false })])
    failpoint?.('refresh.committed')
    // Whoever held the lease after us has newer tokens, which callers get instead (C09).
    if (won === 'overtaken') return conclude(task, await takeTurn(tools, task, true))
    if (won === 'ended') return { outcome: 'ended' }
    if (!identify || (await isKept(grant, provider, identify))) return { outcome: 'fresh', tokens }
    return { outcome: 'ended' }
  }

  /** Tokens that came too late: where the grant has ended, nobody else would give them back (V-03). */
  async function afterLoss(
    { id, clientId }: Grant,
    { name }: Provider,
    tokens: HeldTokens,
  ): Promise<'overtaken' | 'ended'> {
    const grant = await writes.persist(() => gateway.store.findGrant(id))
    if (grant?.status === 'active') return 'overtaken'
    void gateway.grantEnds.giveBack(clientId, { provider: name, tokens })
    return 'ended'
  }

  /** What cannot be learned, or not be decided, about a user must not cost the tokens. */
  async function isKept(grant: Grant, provider: Provider, identify: () => Promise<IdentityOutcome>): Promise<boolean> {
    try {
      return (await checkIdentity(gateway, routeOf(grant.routePath), grant.id, provider, identify)) === 'kept'
    } catch (error) {
      gateway.logger.error({ err: error, grantId: grant.id }, 'a user could not be checked again')
      return true
    }
  }

  /** Nobody may come and ask before the grace is over: it is tried again without anybody asking. */
  function pursue(task: RefreshTask, graceMs: number, pursued: number): void {
    const pauseMs = Math.min(LONGEST_LATER_MS, FIRST_LATER_MS * 2 ** pursued, graceMs / 2)
    if (closing || pauseMs < LAST_LATER_MS) return
    clearTimeout(later.get(task.credentialId))
    const timer = setTimeout(() => {
      later.delete(task.credentialId)
      void refresh(task, true, pursued + 1)
    }, pauseMs)
    timer.unref()
    later.set(task.credentialId, timer)
  }

  return {
    refresh,
    unsaved({ id, version }) {
      const found = issued.get(id)
      return found?.version === version ? found.tokens : undefined
    },
    isHeldBack: ({ id, version }) => heldBack.get(id) === version,
    async idle() {
      closing = true
      for (const timer of later.values()) clearTimeout(timer)
      while (underWay.size > 0) await Promise.all(underWay.values())
    },
  }
}
