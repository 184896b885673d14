import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FAILPOINTS, type Failpoint } from '../../src/domain/failpoint.ts'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import { type LedgerProvider, startLedgerProvider } from '../fixtures/ledger-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { createKilledUser, type KilledUser, Lost } from './killed-user.ts'

/** What came of killing a gateway over and over. */
export interface KillReport {
  readonly kills: number
  readonly byPoint: Readonly<Record<string, number>>
  /** Presentations that a provider takes for theft, in words. */
  readonly violations: readonly string[]
  /** Acknowledged state that was gone, in words. */
  readonly lost: readonly string[]
  /** From the start of a process until it listened, ms. */
  readonly readyMs: { readonly median: number; readonly longest: number }
}

export interface KillOptions {
  readonly kills: number
  /** Gateways that are killed at the same time, each with its own database. */
  readonly gateways: number
  readonly progress?: (kills: number) => void
}

/** Longer than any restart takes, so that the next process can still present what the former one presented. */
const GRACE_MS = 60_000
const USERS = 3

/**
 * Kills gateways with SIGKILL at each failpoint in turn, while users sign in, call and refresh through them. Every answer
 * that a user saw must hold for the next process, and the provider must never see anything twice that it takes for theft.
 */
export async function runKills(options: KillOptions): Promise<KillReport> {
  const provider = await startLedgerProvider({ graceMs: GRACE_MS, accessTtlSeconds: 1 })
  const upstream = await startPlainServer(({ headers }, response) => {
    const subject = provider.subjectOf(headers.authorization?.replace('Bearer ', '') ?? '')
    response.writeHead(subject === undefined ? 401 : 200).end(subject)
  })
  const byPoint: Record<string, number> = {}
  const lost: string[] = []
  const readyMs: number[] = []
  let kills = 0
  try {
    await Promise.all(
      Array.from({ length: options.gateways }, (_, index) =>
        killOver(provider, upstream, index, {
          next: () =>
            kills < options.kills && lost.length === 0 ? FAILPOINTS[kills++ % FAILPOINTS.length] : undefined,
          killed: (point) => {
            byPoint[point] = (byPoint[point] ?? 0) + 1
            options.progress?.(kills)
          },
          lost: (what) => lost.push(what),
          ready: (ms) => readyMs.push(ms),
        }),
      ),
    )
  } finally {
    await Promise.all([provider.close(), upstream.close()])
  }
  readyMs.sort((one, other) => one - other)
  const [median = 0, longest = 0] = [readyMs[Math.floor(readyMs.length / 2)], readyMs.at(-1)]
  return {
    kills,
    byPoint,
    violations: provider.violations,
    lost,
    readyMs: { median: Math.round(median), longest: Math.round(longest) },
  }
}

interface Reports {
  /** Where the next process is to be killed; undefined when it was enough. */
  next(): Failpoint | undefined
  killed(point: Failpoint): void
  lost(what: string): void
  ready(ms: number): void
}

/** One gateway's lives, until there were enough or something was lost. */
async function killOver(
  provider: LedgerProvider,
  upstream: PlainServer,
  index: number,
  reports: Reports,
): Promise<void> {
  const gateway = await spawnTestGateway({
    providers: { corp: provider.yaml },
    routes: { '/mcp': { upstream: upstream.url, sign_in: 'corp', credential: { kind: 'provider-token' } } },
    // Longer than clients wait: on a busy machine it takes a while until everybody's turn has come again.
    tokens: { refresh_grace: '10m' },
    limits: { pages: 1_000_000, token_requests: 1_000_000, registrations: 1000 },
  })
  try {
    const names = Array.from({ length: USERS }, (_, user) => `user ${index}.${user}`)
    const users: KilledUser[] = []
    for (const name of names) users.push(await createKilledUser(gateway.issuer, provider, name))
    await gateway.kill()
    for (let point = reports.next(); point !== undefined; point = reports.next()) {
      await start(gateway, { GATEHOUSE_FAILPOINT: point, ...CACHED }, reports)
      await Promise.all([liveUntilKilled(users, point), gateway.process().ended])
      reports.killed(point)
    }
    await start(gateway, { GATEHOUSE_FAILPOINT: NEVER }, reports)
    for (const user of users) {
      await user.retry()
      await user.call()
      await user.refresh()
      await user.call()
    }
  } catch (error) {
    reports.lost(error instanceof Lost ? error.message : `${error}\n${gateway.output().slice(-2000)}`)
  } finally {
    await gateway.close()
  }
}

/** Most of a start is reading the same files again. */
const CACHED = { NODE_COMPILE_CACHE: join(tmpdir(), 'gatehouse-compile-cache') }
/** So late that it is never reached. */
const NEVER = 'token.checked:99999'

async function start(gateway: SpawnedGateway, env: Record<string, string>, reports: Reports): Promise<void> {
  const begun = performance.now()
  await gateway.restart(env)
  reports.ready(performance.now() - begun)
}

/** Does what leads to the point, over and over, until the gateway is gone. Rejects with {@link Lost}. */
async function liveUntilKilled(users: readonly KilledUser[], point: Failpoint): Promise<void> {
  for (let turn = 0; ; turn += 1) {
    const user = users[turn % users.length]
    try {
      await user?.retry()
      if (point.startsWith('refresh.')) await user?.call()
      else if (point === 'token.checked' || point === 'token.rotated') await user?.refresh()
      else await user?.signInAnew()
    } catch (error) {
      if (error instanceof Lost) throw error
      return
    }
  }
}
