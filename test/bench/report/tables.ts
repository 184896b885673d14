import type { Case } from '../case.ts'
import { SIZE } from '../measure.ts'
import { BODIES } from '../measures/bodies.ts'
import { MEASURES } from '../measures/calls.ts'
import { EVENT_P50, QUIET_HEADERS } from '../measures/events.ts'
import { IDLE_MEMORY } from '../measures/idle-streams.ts'
import { READY } from '../measures/start.ts'
import type { Readings, Spread } from '../readings.ts'

/** A column: a measure, as it is or relative to a case. */
interface Column {
  readonly head: string
  readonly measure: string
  readonly relativeTo?: string
  readonly digits?: number
  /** Says which cases did not use their whole core. */
  readonly busy?: string
}

/** Below this share of its core a proxy was waiting for work: the load generator, or the machine, was the limit. */
const SATURATED = 0.93
/** The number of connections at which cases are compared with the other references. */
export const BUSY = 64

/** All tables for the document: ratios, never times. Columns and tables without a value are left out. */
export function ratioTables(cases: readonly Case[], connections: readonly number[], readings: Readings): string {
  const proxies = cases.filter(({ name }) => name !== 'direct')
  const rate = connections.map((count) => {
    const measure = MEASURES.rate(count)
    const busy = count > 1 ? { busy: MEASURES.busy(count) } : {}
    return { head: `${count} connection${count === 1 ? '' : 's'}`, measure, relativeTo: 'nginx', ...busy }
  })
  const cpu = connections.map((count) => ({
    head: `${count} connection${count === 1 ? '' : 's'}`,
    measure: MEASURES.cpu(count),
    relativeTo: 'nginx',
  }))
  const others = [
    { head: 'requests/s, stock = 1', measure: MEASURES.rate(BUSY), relativeTo: 'stock' },
    { head: 'requests/s, workers = 1', measure: MEASURES.rate(BUSY), relativeTo: 'workers', digits: 1 },
    { head: 'CPU per request, stock = 1', measure: MEASURES.cpu(BUSY), relativeTo: 'stock' },
    { head: 'CPU per request, this gateway = 1', measure: MEASURES.cpu(BUSY), relativeTo: 'gateway' },
  ]
  const latency = [
    { head: 'added p50', measure: MEASURES.addedP50, relativeTo: 'nginx' },
    { head: 'added p99', measure: MEASURES.addedP99, relativeTo: 'nginx' },
  ]
  const streams = [
    { head: 'event p50', measure: EVENT_P50, relativeTo: 'nginx' },
    { head: 'headers of a quiet stream', measure: QUIET_HEADERS, relativeTo: 'nginx' },
    { head: 'KB per idle stream', measure: IDLE_MEMORY, digits: 1 },
  ]
  const bodies = BODIES.map(({ measure }) => ({ head: measure, measure, relativeTo: 'nginx' }))
  return sections([
    ['Requests per second, nginx = 1:', table(cases, rate, readings)],
    ['CPU time per request, nginx = 1:', table(proxies, cpu, readings)],
    [`Beside the other references, ${BUSY} connections:`, table(proxies, others, readings)],
    ['Latency that the proxy adds to the direct way, one connection, nginx = 1:', table(proxies, latency, readings)],
    ['Event streams; times as multiples of nginx’s:', table(cases, streams, readings)],
    ['Throughput of large bodies, four connections, nginx = 1:', table(cases, bodies, readings)],
  ])
}

/** What was measured on this machine, as it is: for the terminal alone. */
export function absoluteTables(cases: readonly Case[], connections: readonly number[], readings: Readings): string {
  const calls = connections.flatMap((count) => [
    { head: `requests/s, ${count}`, measure: MEASURES.rate(count), digits: 0 },
    { head: `CPU µs, ${count}`, measure: MEASURES.cpu(count), digits: 1 },
  ])
  const times = [
    { head: 'p50 µs', measure: MEASURES.p50, digits: 0 },
    { head: 'p99 µs', measure: MEASURES.p99, digits: 0 },
    { head: 'event p50 µs', measure: EVENT_P50, digits: 0 },
    { head: 'quiet headers ms', measure: QUIET_HEADERS, digits: 1 },
    { head: 'ready ms', measure: READY, digits: 0 },
  ]
  const size = [SIZE.app, SIZE.node].map((name) => ({ name, title: name }))
  return sections([
    ['On this machine:', table(cases, calls, readings)],
    ['', table(cases, times, readings)],
    ['Size:', table(size, [{ head: 'MB', measure: SIZE.measure, digits: 1 }], readings)],
  ])
}

/** A table in Markdown of the columns that have a value, or nothing. */
function table(rows: readonly Pick<Case, 'name' | 'title'>[], columns: readonly Column[], readings: Readings): string {
  const spreadOf = (name: string, { measure, relativeTo }: Column) =>
    relativeTo === undefined ? readings.spread(measure, name) : readings.ratio(measure, name, relativeTo)
  const filled = columns.filter((column) => rows.some(({ name }) => spreadOf(name, column)))
  const present = rows.filter(({ name }) => filled.some((column) => spreadOf(name, column)))
  if (filled.length === 0) return ''
  const line = (values: readonly string[]) => `| ${values.join(' | ')} |`
  const cells = ({ name }: Pick<Case, 'name'>) =>
    filled.map((column) => {
      const busy = column.busy === undefined ? undefined : readings.spread(column.busy, name)
      return cell(spreadOf(name, column), column.digits ?? 2) + (busy && busy.median < SATURATED ? ' †' : '')
    })
  return [
    line(['', ...filled.map(({ head }) => head)]),
    line(['', ...filled].map(() => '---')),
    ...present.map((row) => line([row.title, ...cells(row)])),
  ].join('\n')
}

function sections(titled: readonly (readonly [title: string, table: string])[]): string {
  return titled
    .filter(([, text]) => text !== '')
    .map(([title, text]) => (title === '' ? text : `${title}\n\n${text}`))
    .join('\n\n')
}

function cell(spread: Spread | undefined, digits: number): string {
  if (!spread) return '–'
  const [median, lowest, highest] = [spread.median, spread.lowest, spread.highest].map((value) => value.toFixed(digits))
  return lowest === highest ? `${median}` : `${median} (${lowest}–${highest})`
}
