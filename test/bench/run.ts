import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measureCalls } from './calls.ts'
import type { Bench, Target } from './case.ts'
import type { Child } from './child.ts'
import { divideCores } from './cores.ts'
import { createLoadGenerator } from './load/load.ts'
import { type Plan, readPlan, USAGE } from './plan.ts'
import { createReadings } from './readings.ts'
import { absoluteTable, ratioTables } from './tables.ts'
import { startCheapUpstream } from './upstream/cheap.ts'

/**
 * `npm run bench`: this gateway beside nginx, beside the stock Fastify proxy with the same token check, and beside no
 * proxy. Rounds are interleaved, so that whatever else the machine does hits every case alike.
 */
const plan = planOrExit()
const directory = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
const children: { stop(): Promise<void> }[] = []
try {
  const cores = divideCores()
  if (cores.proxyCore === undefined) say('nothing is pinned to a core: that needs two cores and taskset')
  const generator = createLoadGenerator(directory, cores.restCore)
  if (generator.name === 'undici') say('wrk is not on PATH: the load generator will be the limit of fast cases')
  const upstream = await startCheapUpstream(directory, cores.restCore)
  children.push(upstream)
  const bench: Bench = {
    ...cores,
    directory,
    upstreamPort: upstream.port,
    keep: (child) => {
      children.push(child)
    },
  }
  const targets = new Map<string, Target>()
  for (const { name, title, start } of plan.cases) {
    const target = await start(bench)
    if (typeof target === 'string') say(`${title} is left out: ${target}`)
    else targets.set(name, target)
  }
  const readings = createReadings()
  await measureCalls(targets, generator, plan, readings)
  const rows = plan.cases.filter(({ name }) => targets.has(name))
  say(ratioTables(rows, plan.connections, readings))
  say(absoluteTable(rows, plan.connections, readings))
} finally {
  await Promise.all(children.map((child) => child.stop()))
  rmSync(directory, { recursive: true, force: true })
}

function planOrExit(): Plan {
  try {
    return readPlan(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    process.exit(1)
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n\n`)
}
