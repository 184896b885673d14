import type { Target } from '../case.ts'
import type { LoadGenerator } from '../load/load.ts'
import { CALL } from '../mcp-messages.ts'
import type { Readings } from '../readings.ts'
import { interleave } from '../rounds.ts'
import { CALL_HEADERS } from './calls.ts'

const CONNECTIONS = 4
const MEGABYTE = 1_000_000

/** Bodies that are sent one after the other on each of a few connections; the measure is bytes per second. */
export const BODIES = [1, 10].flatMap((megabytes) => [
  { measure: `${megabytes} MB request`, megabytes, isRequest: true },
  { measure: `${megabytes} MB answer`, megabytes, isRequest: false },
])

/** Sends large bodies each way through every target; throws if a single answer was not good. */
export async function measureBodies(
  targets: ReadonlyMap<string, Target>,
  generator: LoadGenerator,
  plan: { readonly rounds: number; readonly seconds: number },
  readings: Readings,
): Promise<void> {
  const combinations = BODIES.flatMap((body) => [...targets].map(([name, target]) => ({ ...body, name, target })))
  await interleave(plan.rounds, combinations, async ({ measure, megabytes, isRequest, name, target }) => {
    const bytes = megabytes * MEGABYTE
    const { requests, failures, seconds } = await generator.run({
      url: target.url,
      tokens: target.tokens,
      method: 'POST',
      headers: isRequest ? CALL_HEADERS : { ...CALL_HEADERS, 'x-answer-bytes': String(bytes) },
      body: isRequest ? JSON.stringify('x'.repeat(bytes - 2)) : CALL,
      connections: CONNECTIONS,
      seconds: plan.seconds,
    })
    if (requests === 0 || failures > 0)
      throw new Error(`${name}, ${measure}: ${requests} answers, ${failures} failures`)
    readings.add(measure, name, (requests * bytes) / seconds)
  })
}
