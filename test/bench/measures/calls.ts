import type { Target } from '../case.ts'
import { cpuMicroseconds } from '../child.ts'
import type { LoadGenerator } from '../load/load.ts'
import { CALL } from '../mcp-messages.ts'
import type { Readings } from '../readings.ts'
import { interleave } from '../rounds.ts'

/** What a call looks like on the wire, apart from its token. */
export const CALL_HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'search',
} as const

/** How much longer than a round every target is called before the first one. */
const WARM_UP = 2

/** Measures of {@link measureCalls}: by number of connections, except added latency, which is that of one connection. */
export const MEASURES = {
  /** Requests per second. */
  rate: (connections: number) => `requests/s at ${connections}`,
  /** CPU time of the proxy for each request, µs. */
  cpu: (connections: number) => `CPU at ${connections}`,
  /** Share of its core that the proxy used; where it is well below 1, the load generator was the limit. */
  busy: (connections: number) => `busy at ${connections}`,
  /** µs, at one connection. */
  p50: 'p50',
  p99: 'p99',
  /** What the proxy adds to the direct way, µs. */
  addedP50: 'added p50',
  addedP99: 'added p99',
}

/** Calls every target over each number of connections, round by round; throws if a single answer was not good. */
export async function measureCalls(
  targets: ReadonlyMap<string, Target>,
  generator: LoadGenerator,
  plan: { readonly connections: readonly number[]; readonly rounds: number; readonly seconds: number },
  readings: Readings,
): Promise<void> {
  const call = (name: string, target: Target, connections: number, seconds = plan.seconds) =>
    callFor(seconds, name, target, connections, generator)
  // Until the compilers have seen it all.
  for (const [name, target] of targets) await call(name, target, Math.max(...plan.connections), plan.seconds * WARM_UP)
  const combinations = plan.connections.flatMap((connections) =>
    [...targets].map(([name, target]) => ({ name, target, connections })),
  )
  await interleave(plan.rounds, combinations, async ({ name, target, connections }) => {
    const { outcome, cpu } = await call(name, target, connections)
    readings.add(MEASURES.rate(connections), name, outcome.requests / outcome.seconds)
    if (connections === 1) {
      readings.add(MEASURES.p50, name, outcome.p50)
      readings.add(MEASURES.p99, name, outcome.p99)
    }
    if (cpu === undefined) return
    readings.add(MEASURES.cpu(connections), name, cpu / outcome.requests)
    readings.add(MEASURES.busy(connections), name, cpu / 1_000_000 / outcome.seconds)
  })
  for (const name of targets.keys()) {
    addAdded(readings, name, MEASURES.p50, MEASURES.addedP50)
    addAdded(readings, name, MEASURES.p99, MEASURES.addedP99)
  }
}

async function callFor(seconds: number, name: string, target: Target, connections: number, generator: LoadGenerator) {
  const { url, tokens, proxy } = target
  const before = proxy && cpuMicroseconds(proxy.pid)
  const load = { url, tokens, connections, seconds, method: 'POST', headers: CALL_HEADERS, body: CALL } as const
  const outcome = await generator.run(load)
  if (outcome.requests === 0 || outcome.failures > 0) {
    throw new Error(`${name}: ${outcome.requests} answers, ${outcome.failures} of them failures`)
  }
  return { outcome, cpu: proxy && before !== undefined ? cpuMicroseconds(proxy.pid) - before : undefined }
}

function addAdded(readings: Readings, name: string, measure: string, added: string): void {
  const direct = readings.values(measure, 'direct')
  for (const [round, value] of readings.values(measure, name).entries()) {
    const base = direct[round]
    if (name !== 'direct' && base !== undefined) readings.add(added, name, value - base)
  }
}
