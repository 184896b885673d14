import type { Sample } from './load.ts'

/** The middle of the rounds, and their extremes. */
export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

/** One case relative to one reference, each round compared with the same round of the reference. */
export interface Ratios {
  readonly requestsPerSecond: Spread
  readonly cpuPerRequest: Spread | undefined
  /** Time that a request takes longer than on the direct way, on one connection. */
  readonly addedLatency: Spread | undefined
}

/** Rounds of one case, in order, by number of connections. */
export type Rounds = ReadonlyMap<number, readonly Sample[]>

/** One and many connections: what a single user waits, and what a busy gateway carries. */
export const ALONE = 1
export const BUSY = 64

/** How `rounds` compares with `reference`; 1 is the reference itself. */
export function compare(rounds: Rounds, reference: Rounds, direct: Rounds): Ratios {
  const busy = pairs(rounds.get(BUSY), reference.get(BUSY))
  const alone = pairs(rounds.get(ALONE), reference.get(ALONE))
  const floor = direct.get(ALONE) ?? []
  return {
    requestsPerSecond: definiteSpread(busy.map(([mine, theirs]) => mine.requestsPerSecond / theirs.requestsPerSecond)),
    cpuPerRequest: spread(
      busy.map(
        ([mine, theirs]) => (mine.cpuMicrosecondsPerRequest ?? Number.NaN) / (theirs.cpuMicrosecondsPerRequest ?? 0),
      ),
    ),
    addedLatency: spread(
      alone.map(([mine, theirs], round) => {
        const base = floor[round]?.microsecondsPerRequest ?? Number.NaN
        return (mine.microsecondsPerRequest - base) / (theirs.microsecondsPerRequest - base)
      }),
    ),
  }
}

/** A table in Markdown: one line per case, ratios to each reference as `median (lowest–highest)`. */
export function table(results: ReadonlyMap<string, Rounds>, references: readonly string[]): string {
  const direct = results.get('direct') ?? new Map()
  return references
    .map((name) => {
      const reference = results.get(name)
      if (!reference) return ''
      const lines = [...results].map(([row, rounds]) => {
        const ratios = compare(rounds, reference, direct)
        const isDirect = row === 'direct'
        return `| ${row} | ${cell(ratios.requestsPerSecond)} | ${isDirect ? '–' : cell(ratios.cpuPerRequest)} | ${isDirect ? '–' : cell(ratios.addedLatency)} |`
      })
      return [
        `Relative to ${name} = 1:`,
        '',
        `| | requests/s, ${BUSY} connections | CPU per request, ${BUSY} connections | added latency, ${ALONE} connection |`,
        '| --- | --- | --- | --- |',
        ...lines,
      ].join('\n')
    })
    .filter((part) => part !== '')
    .join('\n\n')
}

/** The same numbers for machines. */
export function asJson(results: ReadonlyMap<string, Rounds>, references: readonly string[], rounds: number): string {
  const direct = results.get('direct') ?? new Map()
  const relative = Object.fromEntries(
    references.flatMap((name) => {
      const reference = results.get(name)
      if (!reference) return []
      return [[name, Object.fromEntries([...results].map(([row, mine]) => [row, compare(mine, reference, direct)]))]]
    }),
  )
  const facts = { node: process.versions.node.split('.')[0], rounds, connections: { alone: ALONE, busy: BUSY } }
  return `${JSON.stringify({ ...facts, relativeTo: relative }, (_, value) => (typeof value === 'number' ? Number(value.toFixed(3)) : value), 2)}\n`
}

function pairs(mine: readonly Sample[] = [], theirs: readonly Sample[] = []): [Sample, Sample][] {
  return mine.flatMap((sample, round) => {
    const other = theirs[round]
    return other ? [[sample, other] as [Sample, Sample]] : []
  })
}

function spread(values: readonly number[]): Spread | undefined {
  return values.length > 0 && values.every(Number.isFinite) ? definiteSpread(values) : undefined
}

function definiteSpread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? Number.NaN
  const middle = sorted.length / 2
  return {
    median: (at(Math.ceil(middle - 1)) + at(Math.floor(middle))) / 2,
    lowest: at(0),
    highest: at(sorted.length - 1),
  }
}

function cell(value: Spread | undefined): string {
  if (!value) return '–'
  return `${value.median.toFixed(2)} (${value.lowest.toFixed(2)}–${value.highest.toFixed(2)})`
}
