import type { ConfigPath } from './fault.ts'
import type { ConfigProblem } from './gateway-config.ts'

/** One line for each problem: `gateway.yaml:12  routes./github.upstream: … → …`. Ends without a line break. */
export function formatProblems(file: string, problems: readonly ConfigProblem[]): string {
  return problems
    .map(({ line, path, problem, fix }) => `${file}:${line}  ${path === '' ? '' : `${path}: `}${problem} → ${fix}`)
    .join('\n')
}

/** A path as people write it: `clients.static[0].client_id`. Keys that may be misplaced secrets are left out. */
export function showPath(path: ConfigPath): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`
      const shown = isShowable(part) ? part : '…'
      return index === 0 ? shown : `.${shown}`
    })
    .join('')
}

/** The one of `known` that `name` was probably meant to be, at most two slips away. */
export function didYouMean(name: string, known: readonly string[]): string | undefined {
  const wanted = simplify(name)
  const scored = known
    .map((candidate) => ({ candidate, slips: distance(wanted, simplify(candidate)) }))
    .filter(({ candidate, slips }) => slips <= Math.min(2, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.slips - b.slips)
  return scored[0]?.candidate
}

/** By line, and each only once. */
export function sortProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const seen = new Set<string>()
  return problems
    .filter((problem) => {
      const key = JSON.stringify([problem.line, problem.path, problem.problem])
      return !seen.has(key) && seen.add(key)
    })
    .sort((a, b) => a.line - b.line)
}

/** Names, routes, users and header names. Hashes, keys and tokens are longer, hold `$` or `=`, or start in their ways. */
function isShowable(part: string): boolean {
  return /^[\p{L}\p{N}/._~@+ -]{1,64}$/u.test(part) && !/^(mgh_|gh[a-z]_|github_pat_|glpat-|xox|sk-|eyJ)/.test(part)
}

function simplify(name: string): string {
  return name.toLowerCase().replaceAll('-', '_')
}

/** Levenshtein's distance, with a swap of neighbours as one slip. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const cell = (i: number, j: number) => rows[i]?.[j] ?? Number.POSITIVE_INFINITY
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? cell(i - 2, j - 2) + 1 : Infinity
      row[j] = Math.min(
        cell(i - 1, j) + 1,
        cell(i, j - 1) + 1,
        cell(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
        swap,
      )
    }
  }
  return cell(a.length, b.length)
}
