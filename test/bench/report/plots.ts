import type { Case } from '../case.ts'
import { MEASURES } from '../measures/calls.ts'
import { IDLE_MEMORY } from '../measures/idle-streams.ts'
import type { Readings, Spread } from '../readings.ts'
import { barChart } from './bar-chart.ts'
import { BUSY } from './tables.ts'

/** SVG documents by file name. */
export function plots(cases: readonly Case[], readings: Readings): ReadonlyMap<string, string> {
  const toNginx = (measure: string) => (name: string) => readings.ratio(measure, name, 'nginx')
  const chart = (title: string, spreadOf: (name: string) => Spread | undefined, digits: number) => {
    const bars = cases.flatMap(({ name, title: label, ours }) => {
      const spread = name === 'direct' ? undefined : spreadOf(name)
      return spread ? [{ label, spread, ours: ours === true }] : []
    })
    return barChart(title, bars, digits)
  }
  return new Map([
    [
      'performance-throughput.svg',
      chart(`Requests per second on one core, ${BUSY} connections (nginx = 1)`, toNginx(MEASURES.rate(BUSY)), 2),
    ],
    [
      'performance-cpu.svg',
      chart(`CPU time per request, ${BUSY} connections (nginx = 1)`, toNginx(MEASURES.cpu(BUSY)), 1),
    ],
    [
      'performance-latency.svg',
      chart('Added latency, median, one connection (nginx = 1)', toNginx(MEASURES.addedP50), 1),
    ],
    [
      'performance-memory.svg',
      chart('Memory per idle event stream, KB', (name) => readings.spread(IDLE_MEMORY, name), 0),
    ],
  ])
}
