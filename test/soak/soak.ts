import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { register } from '../fixtures/oauth-requests.ts'
import { oidcProviders } from '../fixtures/provider-gateway.ts'
import { createProviderMemory } from '../fixtures/provider-memory.ts'
import { CALLERS, type Caller, type ConnectCaller } from './callers.ts'
import { createIdentity, type Identity, type IdentityCounts } from './identity.ts'
import { type Answer, IDENTITY_HEADER, type UpstreamStart } from './messages.ts'

/** How much, and for how long at the most: whichever is reached first ends it. */
export interface SoakOptions {
  readonly calls: number
  readonly identities: number
  readonly limitMs: number
  /** Seconds that an access token of the gateway lives; one of the provider lives twice as long. */
  readonly accessTtlSeconds: number
  readonly progress?: (report: SoakReport) => void
}

/** What came of a soak. */
export interface SoakReport extends Readonly<IdentityCounts> {
  readonly answered: number
  /** Calls that a reset or an abort ended; their clients went on. */
  readonly failed: number
  /** Why they failed, in the clients' words, with how often. */
  readonly failures: Readonly<Record<string, number>>
  /** Answers that belonged to somebody else, or to another call, in words. */
  readonly mixedUp: readonly string[]
  /** Exchanges that the gateway believed to be open after everybody had left. */
  readonly leftOpen: number
  /** Why grants ended, as the gateway's audit trail has it, with how often. */
  readonly ended: Readonly<Record<string, number>>
  readonly elapsedMs: number
}

const UPSTREAM = fileURLToPath(new URL('./upstream-process.ts', import.meta.url))
const RESET_SHARE = 0.01
const ABORT_SHARE = 0.01
/** A refresh at any time beside the calls, not only when a token has expired. */
const REFRESH_SHARE = 0.002
const PROGRESS_MS = 10_000
const SETTLE_MS = 10_000
const REASON_LENGTH = 160

/** Runs gateway and MCP server in processes of their own and everybody else here. Rejects when it cannot even begin. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const names = Array.from({ length: options.identities }, (_, index) => `user-${index}`)
  const [first = 'user-0', ...others] = names
  const provider = await startIdentityProvider({
    accounts: [{ sub: first }, ...others.map((sub) => ({ sub }))],
    accessTokenTtlSeconds: options.accessTtlSeconds * 2,
    memory: createProviderMemory(),
  })
  const upstream = fork(UPSTREAM, [
    JSON.stringify({ issuer: provider.issuer, resetShare: RESET_SHARE } satisfies UpstreamStart),
  ])
  let gateway: SpawnedGateway | undefined
  try {
    const [{ url }] = (await once(upstream, 'message')) as [{ url: string }]
    gateway = await startSoakGateway(provider, url, options)
    return await soak(provider, gateway, names, options)
  } finally {
    upstream.kill()
    await gateway?.close()
    await provider.close()
  }
}

async function startSoakGateway(provider: IdentityProvider, upstream: string, options: SoakOptions) {
  const gateway = await spawnTestGateway({
    providers: oidcProviders(provider),
    routes: {
      '/mcp': {
        upstream,
        sign_in: 'corp',
        credential: { kind: 'provider-token' },
        inject: { Authorization: 'Bearer {credential}', [IDENTITY_HEADER]: '{user.sub}' },
      },
    },
    tokens: { access_ttl: `${options.accessTtlSeconds}s` },
    limits: { pages: 100_000, token_requests: 1_000_000 },
  })
  provider.allowRedirect(`${gateway.issuer}/callback/corp`)
  return gateway
}

async function soak(
  provider: IdentityProvider,
  gateway: SpawnedGateway,
  names: readonly string[],
  options: SoakOptions,
): Promise<SoakReport> {
  const counts: IdentityCounts = { refreshes: 0, loggedOut: 0, aborted: 0 }
  const resource = `${gateway.issuer}/mcp`
  const client = await register(gateway.issuer)
  const identities: Identity[] = []
  for (const name of names) {
    provider.setCurrentAccount(name)
    identities.push(await createIdentity(gateway.issuer, client, resource, name, ABORT_SHARE, counts))
  }

  const begun = performance.now()
  const mixedUp: string[] = []
  let started = 0
  let answered = 0
  let failed = 0
  const failures: Record<string, number> = {}
  const goesOn = () => started < options.calls && performance.now() - begun < options.limitMs && mixedUp.length === 0
  const report = (leftOpen = 0): SoakReport => ({
    ...counts,
    answered,
    failed,
    failures,
    mixedUp,
    leftOpen,
    ended: reasonsOfEnds(gateway.output()),
    elapsedMs: performance.now() - begun,
  })

  async function work(identity: Identity, connect: ConnectCaller): Promise<void> {
    let caller: Caller | undefined
    while (goesOn()) {
      const nonce = `${identity.name} ${started++}`
      try {
        caller ??= await connect(resource, identity)
        const wrong = mistakeIn(JSON.parse(await caller.whoami(nonce)), identity.name, nonce)
        answered += 1
        if (wrong !== undefined) mixedUp.push(wrong)
        if (Math.random() < REFRESH_SHARE) await identity.refresh()
      } catch (error) {
        failed += 1
        const reason = reasonOf(error)
        failures[reason] = (failures[reason] ?? 0) + 1
        await caller?.close().catch(() => undefined)
        caller = undefined
      }
    }
    await caller?.close().catch(() => undefined)
  }

  const timer = setInterval(() => options.progress?.(report()), PROGRESS_MS)
  await Promise.all(identities.flatMap((identity) => CALLERS.map((connect) => work(identity, connect))))
  clearInterval(timer)
  return report(await openExchanges(gateway))
}

function reasonsOfEnds(output: string): Record<string, number> {
  const reasons: Record<string, number> = {}
  for (const [line] of output.matchAll(/^.*"event":"grant_revoked".*$/gm)) {
    const { reason } = JSON.parse(line) as { readonly reason: string }
    reasons[reason] = (reasons[reason] ?? 0) + 1
  }
  return reasons
}

/** What is wrong with an answer, in words; undefined when every witness names the caller. */
function mistakeIn(answer: Answer, name: string, nonce: string): string | undefined {
  const { credentialOf, identity, sessionOwner = name } = answer
  const isRight = answer.nonce === nonce && credentialOf === name && identity === name && sessionOwner === name
  return isRight ? undefined : `${nonce} was answered ${JSON.stringify(answer)}`
}

/** The first words of an error, without numbers and names. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error
  const why = cause instanceof Error ? `${message}: ${cause.message}` : message
  return why.replaceAll(/[0-9]+/g, '#').slice(0, REASON_LENGTH)
}

/** How many exchanges the gateway still believes to be open, as soon as it is none, or after some seconds. */
async function openExchanges(gateway: SpawnedGateway): Promise<number> {
  const until = performance.now() + SETTLE_MS
  for (;;) {
    const metrics = await (await fetch(`${gateway.operations}/metrics`)).text()
    const open = [...metrics.matchAll(/^gatehouse_open_exchanges\{.*\} (\d+)$/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    )
    if (open === 0 || performance.now() > until) return open
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
