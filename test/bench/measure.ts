import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { buildApp, nodeMegabytes } from './app-directory.ts'
import type { Case } from './case.ts'
import { createLoadGenerator } from './load/load.ts'
import { measureBodies } from './measures/bodies.ts'
import { measureCalls } from './measures/calls.ts'
import { measureEvents } from './measures/events.ts'
import { measureIdleStreams, permittedStreams } from './measures/idle-streams.ts'
import { measureStart } from './measures/start.ts'
import type { Part, Plan } from './plan.ts'
import { createReadings, type Readings } from './readings.ts'
import { type Place, startCases, withBench } from './setup.ts'
import { startCheapUpstream } from './upstream/cheap.ts'
import { startStreamUpstream } from './upstream/stream.ts'

/** What an installation takes, MB: the application with its dependencies, and Node itself. */
export const SIZE = { measure: 'MB', app: 'app', node: 'node' }

/** Measures what the plan says. `say` hears what is under way and what has to be left out. */
export async function measure(plan: Plan, place: Place, say: (line: string) => void): Promise<Readings> {
  const readings = createReadings()
  const generator = createLoadGenerator(place.directory, place.restCore)
  if (generator.name === 'undici') say('wrk is not on PATH: the load generator will be the limit of the fast cases')
  const leftOut = (row: Case, reason: string) => say(`${row.title} is left out: ${reason}`)
  const streaming = plan.cases.filter(({ callsOnly }) => !callsOnly)

  const parts: Record<Part, () => Promise<void>> = {
    calls: () =>
      withBench(place, startCheapUpstream, async (bench) =>
        measureCalls(await startCases(bench, plan.cases, leftOut), generator, plan, readings),
      ),
    bodies: () =>
      withBench(place, startStreamUpstream, async (bench) =>
        measureBodies(await startCases(bench, streaming, leftOut), generator, plan, readings),
      ),
    events: () =>
      withBench(place, startStreamUpstream, async (bench) =>
        measureEvents(await startCases(bench, streaming, leftOut), plan, readings),
      ),
    idle: () => measureIdle(plan, place, streaming, readings, say),
    start: () =>
      withBench(place, startStreamUpstream, async (bench) =>
        measureStart(bench, (await buildApp(bench.directory)).cli, plan.rounds, readings),
      ),
    size: async () => {
      const { megabytes } = await buildApp(mkdtempSync(join(place.directory, 'app-')))
      readings.add(SIZE.measure, SIZE.app, megabytes)
      readings.add(SIZE.measure, SIZE.node, nodeMegabytes())
    },
  }
  for (const [part, run] of Object.entries(parts)) {
    if (!plan.parts.has(part as Part)) continue
    say(part)
    await run()
  }
  return readings
}

/** Every time with new processes: memory that a process once had, it keeps. */
async function measureIdle(
  plan: Plan,
  place: Place,
  cases: readonly Case[],
  readings: Readings,
  say: (line: string) => void,
): Promise<void> {
  const count = permittedStreams(plan.streams)
  if (count < plan.streams) say(`${count} streams instead of ${plan.streams}: more files may not be open (ulimit -n)`)
  for (let round = 0; round < plan.streamRounds; round += 1) {
    for (const row of cases) {
      await withBench(place, startStreamUpstream, async (bench) => {
        for (const [name, target] of await startCases(bench, [row], () => {})) {
          // A proxy that cannot hold so many is left out; everybody else's figures must not be lost with it.
          await measureIdleStreams(name, target, count, readings).catch((error: unknown) =>
            say(`${row.title} did not hold ${count} streams: ${String(error)}`),
          )
        }
      })
    }
  }
}
