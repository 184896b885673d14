import autocannon from 'autocannon'
import { type Child, cpuMicroseconds } from './child.ts'
import { CALL } from './mcp-messages.ts'

/** One case: where to send the calls, and the process whose CPU time counts (none for the direct way). */
export interface Target {
  readonly name: string
  readonly url: string
  readonly token: string
  readonly proxy: Child | undefined
}

/** What one round saw. */
export interface Sample {
  readonly requestsPerSecond: number
  /** Of the proxy process; undefined where there is none. */
  readonly cpuMicrosecondsPerRequest: number | undefined
  /** Wall time per request on one connection; meaningful only at one connection. */
  readonly microsecondsPerRequest: number
}

/** Calls the target for `seconds` over `connections`; throws if a single answer was not 200. */
export async function sample(target: Target, connections: number, seconds: number): Promise<Sample> {
  const before = target.proxy && cpuMicroseconds(target.proxy.pid)
  const result = await autocannon({
    url: target.url,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      authorization: `Bearer ${target.token}`,
    },
    body: CALL,
    connections,
    duration: seconds,
  })
  const { total } = result.requests
  if (total === 0 || result.errors + result.timeouts + result.non2xx > 0) {
    throw new Error(`${target.name}: ${total} answers, ${result.non2xx} not 2xx, ${result.errors} errors`)
  }
  const requestsPerSecond = total / result.duration
  return {
    requestsPerSecond,
    cpuMicrosecondsPerRequest:
      target.proxy && before !== undefined ? (cpuMicroseconds(target.proxy.pid) - before) / total : undefined,
    microsecondsPerRequest: (connections * 1_000_000) / requestsPerSecond,
  }
}
