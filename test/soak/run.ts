import { parseArgs } from 'node:util'
import { runKills } from './kills.ts'
import { runSoak, type SoakReport } from './soak.ts'

/**
 * `npm run soak`: many identities behind one client id, official clients of both majors on both wires, tokens that
 * expire and rotate on both sides of the gateway, connections reset by the server and given up by clients. Exits with 1
 * when an answer reached anybody but its caller, somebody was logged out, or the gateway kept something open.
 *
 *     npm run soak -- --calls 1000000 --identities 200 --minutes 240
 *     npm run soak -- --quick
 *
 * With `--kills` it is another one: gateways are killed with SIGKILL so many times, at every point where something could be
 * lost, see kills.ts. Exits with 1 when something was, or when half of the processes took longer than a second to be ready.
 *
 *     npm run soak -- --kills 1000
 */
const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '1000000' },
    identities: { type: 'string', default: '200' },
    minutes: { type: 'string', default: '240' },
    quick: { type: 'boolean', default: false },
    kills: { type: 'string' },
  },
})
const READY_WITHIN_MS = 1000

process.exitCode = (await (values.kills === undefined ? soakCalls() : soakKills(Number(values.kills)))) ? 0 : 1

async function soakKills(kills: number): Promise<boolean> {
  // One at a time: the time until it is ready is that of a machine that does nothing else.
  const report = await runKills({
    kills,
    gateways: 1,
    progress: (soFar) => soFar % 50 === 0 && process.stdout.write(`${soFar} kills\n`),
  })
  process.stdout.write(`${JSON.stringify(report)}\n`)
  const { violations, lost, readyMs } = report
  return violations.length === 0 && lost.length === 0 && readyMs.median <= READY_WITHIN_MS
}

async function soakCalls(): Promise<boolean> {
  const report = await runSoak({
    calls: values.quick ? 5000 : Number(values.calls),
    identities: values.quick ? 20 : Number(values.identities),
    limitMs: values.quick ? 20_000 : Number(values.minutes) * 60_000,
    accessTtlSeconds: values.quick ? 3 : 60,
    progress: (soFar) => process.stdout.write(`${describe(soFar)}\n`),
  })
  process.stdout.write(`${describe(report)}\n`)
  for (const wrong of report.mixedUp) process.stderr.write(`${wrong}\n`)
  return report.mixedUp.length === 0 && report.loggedOut === 0 && report.leftOpen === 0 && report.answered > 0
}

function describe({ mixedUp, elapsedMs, ...counts }: SoakReport): string {
  const seconds = Math.round(elapsedMs / 1000)
  return JSON.stringify({ seconds, mixedUp: mixedUp.length, ...counts })
}
