import { loadOrReport } from './load-or-report.ts'

/** `gatehouse check-config`: prints every problem of `file`, or one line and its warnings. Resolves to the exit code. */
export async function checkConfig(file: string): Promise<number> {
  const config = loadOrReport(file)
  if (!config) return 1
  const count = config.warnings.length
  const warned = count === 0 ? '' : `, with ${count === 1 ? 'a warning' : `${count} warnings`}`
  process.stdout.write(`${file} is fine${warned}\n`)
  for (const warning of config.warnings) process.stdout.write(`warning: ${warning}\n`)
  return 0
}
