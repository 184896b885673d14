import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** What the calls on one route add to. */
export interface RouteCalls {
  /** Requests and streams that are being forwarded now. */
  open: number
  /** Answered since anybody asked for the metrics. */
  answered: number
  /** Until the status line of the MCP server's answer came. */
  readonly firstByte: Durations
  /** Until it had answered or its stream had ended. */
  readonly whole: Durations
}

/** What calls are counted in. */
export interface CallMetrics {
  /** Requests on routes; `answered` is counted in {@link RouteCalls}. */
  readonly requests: Counter<'route' | 'outcome'>
  of(route: string): RouteCalls
}

/**
 * Plain numbers that become metrics when somebody asks for them: prom-client checks and hashes the labels of each
 * observation anew, bound ones included, and that cost calls more than the check of their tokens.
 */
export function createCallMetrics(registry: Registry): CallMetrics {
  const routes = new Map<string, RouteCalls>()
  const registers = [registry]
  const requests = new Counter({
    name: 'gatehouse_requests_total',
    help: 'Requests on MCP routes, by route and what became of them.',
    labelNames: ['route', 'outcome'],
    registers,
    collect() {
      for (const [route, calls] of routes) {
        if (calls.answered > 0) this.inc({ route, outcome: 'answered' }, calls.answered)
        calls.answered = 0
      }
    },
  })
  new Gauge({
    name: 'gatehouse_open_exchanges',
    help: 'Requests and streams that are being forwarded now.',
    labelNames: ['route'],
    registers,
    collect() {
      for (const [route, { open }] of routes) this.set({ route }, open)
    },
  })
  const firstByte = new Seconds(
    registry,
    'gatehouse_upstream_first_byte_seconds',
    "Seconds until the status line of the MCP server's answer came.",
    [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
  )
  const whole = new Seconds(
    registry,
    'gatehouse_upstream_response_seconds',
    'Seconds until the MCP server had answered or its stream had ended.',
    [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600],
  )
  return {
    requests,
    of(route) {
      const known = routes.get(route)
      if (known) return known
      const calls = { open: 0, answered: 0, firstByte: firstByte.of(route), whole: whole.of(route) }
      routes.set(route, calls)
      return calls
    },
  }
}

/** Durations in buckets. */
export class Durations {
  readonly #bounds: readonly number[]
  /** How many fell under each bound and over the one before; the last: over all. */
  readonly #counts: number[]
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = [...bounds, Number.POSITIVE_INFINITY].map(() => 0)
  }

  /** In seconds. */
  observe(seconds: number): void {
    let at = 0
    while (seconds > (this.#bounds[at] ?? Number.POSITIVE_INFINITY)) at += 1
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#sum += seconds
  }

  /** The samples of a histogram as prom-client has them: a bucket holds what the ones before it hold. */
  samples(name: string, sharedLabels: Readonly<Record<string, string>>) {
    let count = 0
    const buckets = this.#counts.map((more, at) => {
      count += more
      return { metricName: `${name}_bucket`, labels: { le: this.#bounds[at] ?? '+Inf' }, sharedLabels, value: count }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: {}, sharedLabels, value: this.#sum },
      { metricName: `${name}_count`, labels: {}, sharedLabels, value: count },
    ]
  }
}

/** A histogram by route that is read from {@link Durations}. */
class Seconds extends Histogram<'route'> {
  readonly #about: { readonly name: string; readonly help: string }
  readonly #buckets: readonly number[]
  readonly #routes = new Map<string, Durations>()

  constructor(registry: Registry, name: string, help: string, buckets: number[]) {
    super({ name, help, labelNames: ['route'], buckets, registers: [registry] })
    this.#about = { name, help }
    this.#buckets = buckets
  }

  of(route: string): Durations {
    const durations = new Durations(this.#buckets)
    this.#routes.set(route, durations)
    return durations
  }

  /** What registries ask. */
  async getForPromString() {
    const { name } = this.#about
    const values = [...this.#routes].flatMap(([route, durations]) => durations.samples(name, { route }))
    return { ...this.#about, type: 'histogram', aggregator: 'sum', values }
  }
}
