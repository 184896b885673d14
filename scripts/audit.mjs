// Asks the configured registry whether it knows of holes in what package-lock.json pins, and exits with 1 if one of them is
// high or critical. Not every registry answers that question: then it says so, and exits with 0.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const GRAVE = ['high', 'critical']

const { stdout } = spawnSync('npm', ['audit', '--json', '--package-lock-only'], { cwd: root, encoding: 'utf8' })
const report = read(stdout)
if (report?.vulnerabilities === undefined) {
  process.stdout.write('the registry does not say what is known to be vulnerable\n')
} else {
  const grave = Object.values(report.vulnerabilities).filter(({ severity }) => GRAVE.includes(severity))
  for (const { name, severity, range } of grave) process.stdout.write(`${severity}: ${name} ${range}\n`)
  process.stdout.write(`${grave.length} packages with grave holes\n`)
  process.exitCode = grave.length > 0 ? 1 : 0
}

/**
 * @param {string} text
 * @returns {{ vulnerabilities?: Record<string, { name: string, severity: string, range: string }> } | undefined}
 */
function read(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
