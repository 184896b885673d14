import { readFileSync, statSync } from 'node:fs'
import { applyPresets } from './apply-presets.ts'
import { assemble } from './assemble.ts'
import { checkTogether } from './cross-checks.ts'
import { readDocument, UNREADABLE } from './document.ts'
import { describeReadError, fixReadError } from './expand.ts'
import type { ConfigPath, PlacedFault } from './fault.ts'
import type { ConfigProblem, GatewayConfig } from './gateway-config.ts'
import { findPlanned } from './planned.ts'
import { showPath, sortProblems } from './problems.ts'
import { GatewaySchema } from './schema.ts'
import { describeIssues, valueAt } from './shape.ts'

/** A configuration file that has been read, and what its expansions may reach. `readFile` throws a Node error. */
export interface ConfigSource {
  readonly text: string
  readonly file: string
  readonly env: NodeJS.ProcessEnv
  readonly readFile: (path: string) => string
}

/** The configuration, or everything that is wrong with the file, by line. */
export type LoadedConfig =
  | { readonly ok: true; readonly config: GatewayConfig }
  | { readonly ok: false; readonly problems: ConfigProblem[] }

/** Parses, expands and checks a gateway.yaml; finds every problem at once and repeats no value in any of them. */
export function loadConfig(source: ConfigSource): LoadedConfig {
  const document = readDocument(source.text, source)
  const { value: written } = document
  if (written === UNREADABLE) return { ok: false, problems: sortProblems(document.problems) }
  if (typeof written !== 'object' || written === null || Array.isArray(written)) {
    const fix = 'write keys such as public_url: https://mcp.example.com; gateway.yaml.example is a start'
    return { ok: false, problems: [{ line: 1, path: '', problem: 'the file holds no configuration', fix }] }
  }
  const presets = applyPresets(written)
  const { root } = presets
  const parsed = GatewaySchema.safeParse(root)
  const issues = parsed.success ? [] : describeIssues(GatewaySchema, root, parsed.error.issues)
  const planned = findPlanned(root)
  const together = checkTogether(root)
  // What a check knows more about is not said twice.
  const others = issues.filter(({ path }) => !together.some((one) => one.path.join('\n') === path.join('\n')))
  const covered = [...planned.flatMap((one) => one.covers), ...presets.covers]
  const faults: PlacedFault[] = [
    ...planned,
    ...presets.faults,
    ...[...others, ...together].filter(
      ({ path }) => !isUnreadable(root, path) && !covered.some((cover) => isAtOrBelow(path, cover)),
    ),
  ]
  const problems = faults.map(({ path, problem, fix }) => ({
    line: document.lineOf(path),
    path: showPath(path),
    problem,
    fix,
  }))
  const all = sortProblems([...document.problems, ...problems])
  return parsed.success && all.length === 0 ? { ok: true, config: assemble(parsed.data) } : { ok: false, problems: all }
}

/** {@link loadConfig} on a file of this machine; a file that cannot be read is its only problem. */
export function readConfigFile(file: string, env: NodeJS.ProcessEnv): LoadedConfig {
  try {
    return loadConfig({ text: readTextFile(file), file, env, readFile: readTextFile })
  } catch (error) {
    const fix = fixReadError(error, 'name another file with --config, or copy gateway.yaml.example to gateway.yaml')
    return { ok: false, problems: [{ line: 1, path: '', problem: `the file ${describeReadError(error)}`, fix }] }
  }
}

const MAX_FILE_BYTES = 4 * 1024 * 1024

function readTextFile(path: string): string {
  if (statSync(path).size > MAX_FILE_BYTES) throw Object.assign(new Error('too large'), { code: 'EFBIG' })
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
}

/** A fault there would only repeat why the value could not be read. */
function isUnreadable(root: unknown, path: ConfigPath): boolean {
  return path.some((_, index) => valueAt(root, path.slice(0, index + 1)) === UNREADABLE)
}

function isAtOrBelow(path: ConfigPath, cover: ConfigPath): boolean {
  return cover.every((part, index) => path[index] === part)
}
