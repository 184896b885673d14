import { parseArgs } from 'node:util'
import { runSoak, type SoakReport } from './soak.ts'

/**
 * `npm run soak`: many identities behind one client id, official clients of both majors on both wires, tokens that
 * expire and rotate on both sides of the gateway, connections reset by the server and given up by clients. Exits with 1
 * when an answer reached anybody but its caller, somebody was logged out, or the gateway kept something open.
 *
 *     npm run soak -- --calls 1000000 --identities 200 --minutes 240
 *     npm run soak -- --quick
 */
const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '1000000' },
    identities: { type: 'string', default: '200' },
    minutes: { type: 'string', default: '240' },
    quick: { type: 'boolean', default: false },
  },
})

const report = await runSoak({
  calls: values.quick ? 5000 : Number(values.calls),
  identities: values.quick ? 20 : Number(values.identities),
  limitMs: values.quick ? 20_000 : Number(values.minutes) * 60_000,
  accessTtlSeconds: values.quick ? 3 : 60,
  progress: (soFar) => process.stdout.write(`${describe(soFar)}\n`),
})
process.stdout.write(`${describe(report)}\n`)
for (const wrong of report.mixedUp) process.stderr.write(`${wrong}\n`)
const isSound = report.mixedUp.length === 0 && report.loggedOut === 0 && report.leftOpen === 0 && report.answered > 0
process.exitCode = isSound ? 0 : 1

function describe({ mixedUp, elapsedMs, ...counts }: SoakReport): string {
  const seconds = Math.round(elapsedMs / 1000)
  return JSON.stringify({ seconds, mixedUp: mixedUp.length, ...counts })
}
