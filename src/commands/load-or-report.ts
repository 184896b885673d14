import type { GatewayConfig } from '../config/gateway-config.ts'
import { readConfigFile } from '../config/load.ts'
import { formatProblems } from '../config/problems.ts'

/** The configuration in `file`; undefined after every problem has been printed to stderr. */
export function loadOrReport(file: string): GatewayConfig | undefined {
  const loaded = readConfigFile(file, process.env)
  if (loaded.ok) return loaded.config
  const count = loaded.problems.length
  process.stderr.write(`${formatProblems(file, loaded.problems)}\n`)
  process.stderr.write(`${count === 1 ? '1 problem' : `${count} problems`} in ${file}\n`)
  return undefined
}
