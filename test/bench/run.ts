import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { divideCores } from './cores.ts'
import { measure } from './measure.ts'
import { type Plan, readPlan, USAGE } from './plan.ts'
import { writeDocument } from './report/document.ts'
import { goalTable } from './report/goals.ts'
import { absoluteTables, ratioTables } from './report/tables.ts'

/**
 * `npm run bench`: what the gateway costs, beside nginx, the stock Fastify proxy with the same token check, Cloudflare's
 * provider, and no proxy. Rounds are interleaved, so that whatever else the machine does hits every case alike.
 */
const plan = planOrExit()
// Ended from outside it stops what it has started, see startChild.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
const directory = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
try {
  const cores = divideCores()
  if (cores.proxyCore === undefined) say('nothing is pinned to a core: that needs two cores and taskset')
  const readings = await measure(plan, { ...cores, directory }, say)
  const texts = [ratioTables, absoluteTables].map((tables) => tables(plan.cases, plan.connections, readings))
  for (const text of [...texts, goalTable(readings)]) say(`\n${text}`)
  if (plan.writes) writeDocument(plan, readings)
} finally {
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
  process.stdout.write(`${text}\n`)
}
