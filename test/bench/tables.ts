import { MEASURES } from './calls.ts'
import type { Case } from './case.ts'
import type { Readings, Spread } from './readings.ts'

/** Below this share of its core the proxy was waiting for work. */
const SATURATED = 0.93

/** The tables in Markdown: ratios alone, each `median (lowest–highest)`. */
export function ratioTables(cases: readonly Case[], connections: readonly number[], readings: Readings): string {
  const throughput = table(
    cases,
    connections.map((count) => `${count} connection${count === 1 ? '' : 's'}`),
    ({ name }) =>
      connections.map((count) => {
        const busy = readings.spread(MEASURES.busy(count), name)
        const mark = busy && busy.median < SATURATED ? ' †' : ''
        return ratioCell(readings.ratio(MEASURES.rate(count), name, 'nginx')) + mark
      }),
  )
  const cpu = table(
    cases,
    connections.map((count) => `CPU at ${count}`),
    ({ name }) => connections.map((count) => ratioCell(readings.ratio(MEASURES.cpu(count), name, 'nginx'))),
  )
  const latency = table(cases, ['added p50', 'added p99'], ({ name }) =>
    [MEASURES.addedP50, MEASURES.addedP99].map((measure) => ratioCell(readings.ratio(measure, name, 'nginx'))),
  )
  return [throughput, cpu, latency].join('\n\n')
}

/** What was measured on this machine, for the terminal alone. */
export function absoluteTable(cases: readonly Case[], connections: readonly number[], readings: Readings): string {
  const heads = connections.flatMap((count) => [`requests/s at ${count}`, `CPU µs at ${count}`])
  return table(cases, [...heads, 'p50 µs at 1', 'p99 µs at 1'], ({ name }) => [
    ...connections.flatMap((count) => [
      plainCell(readings.spread(MEASURES.rate(count), name), 0),
      plainCell(readings.spread(MEASURES.cpu(count), name), 1),
    ]),
    plainCell(readings.spread(MEASURES.p50, name), 0),
    plainCell(readings.spread(MEASURES.p99, name), 0),
  ])
}

function table(cases: readonly Case[], heads: readonly string[], cells: (row: Case) => readonly string[]): string {
  const line = (values: readonly string[]) => `| ${values.join(' | ')} |`
  const rows = cases.map((row) => line([row.title, ...cells(row)]))
  return [line(['', ...heads]), line(['', ...heads].map(() => '---')), ...rows].join('\n')
}

function ratioCell(spread: Spread | undefined): string {
  return spread ? `${spread.median.toFixed(2)} (${spread.lowest.toFixed(2)}–${spread.highest.toFixed(2)})` : '–'
}

function plainCell(spread: Spread | undefined, digits: number): string {
  if (!spread) return '–'
  const { median, lowest, highest } = spread
  return `${median.toFixed(digits)} (${lowest.toFixed(digits)}–${highest.toFixed(digits)})`
}
