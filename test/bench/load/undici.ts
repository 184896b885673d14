import { performance } from 'node:perf_hooks'
import { Pool } from 'undici'
import type { Load, Outcome } from './load.ts'

/** Sends the load from this process: one request after the other on each connection, until the time is up. */
export async function callOverUndici(load: Load): Promise<Outcome> {
  const { origin, pathname } = new URL(load.url)
  const pool = new Pool(origin, { connections: load.connections, pipelining: 1 })
  const latencies: number[] = []
  let failures = 0
  const start = performance.now()
  const end = start + load.seconds * 1000
  let sent = 0

  async function call(): Promise<void> {
    const token = load.tokens[sent % load.tokens.length]
    sent += 1
    const headers = { ...load.headers, authorization: `Bearer ${token}` }
    const began = performance.now()
    const { statusCode, body } = await pool.request({ path: pathname, method: load.method, headers, body: load.body })
    await body.dump({ limit: Number.MAX_SAFE_INTEGER })
    latencies.push(performance.now() - began)
    if (statusCode >= 400) failures += 1
  }

  async function connection(): Promise<void> {
    while (performance.now() < end) {
      await call().catch(() => {
        failures += 1
      })
    }
  }

  await Promise.all(Array.from({ length: load.connections }, connection))
  const seconds = (performance.now() - start) / 1000
  await pool.close()
  latencies.sort((a, b) => a - b)
  const percentile = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0) * 1000
  return { requests: latencies.length, failures, seconds, p50: percentile(0.5), p99: percentile(0.99) }
}
