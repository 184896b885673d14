import { onPath } from '../child.ts'
import { callOverUndici } from './undici.ts'
import { callWithWrk } from './wrk.ts'

/** One request, again and again. */
export interface Load {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Used in turn, one for each request. */
  readonly tokens: readonly [string, ...string[]]
  /** Connections that are kept alive, each with one request under way. */
  readonly connections: number
  readonly seconds: number
}

/** What came of it; failures are answers other than 2xx and 3xx, and connections that broke. */
export interface Outcome {
  readonly requests: number
  readonly failures: number
  readonly seconds: number
  /** Latency in µs. */
  readonly p50: number
  readonly p99: number
}

/** What generates the load on this machine. */
export interface LoadGenerator {
  readonly name: 'wrk' | 'undici'
  run(load: Load): Promise<Outcome>
}

/** wrk where it is on PATH; else undici, which is several times slower than what it measures. */
export function createLoadGenerator(directory: string, core: number | undefined): LoadGenerator {
  const binary = onPath('wrk')
  return binary === undefined
    ? { name: 'undici', run: callOverUndici }
    : { name: 'wrk', run: (load) => callWithWrk(binary, directory, core, load) }
}
