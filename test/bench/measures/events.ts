import type { Target } from '../case.ts'
import { headersOf, NoHeaders, openStream } from '../open-stream.ts'
import { median, type Readings } from '../readings.ts'
import { interleave } from '../rounds.ts'

/** Median time from the server's write to the client's read, µs. */
export const EVENT_P50 = 'event p50'
/** Median time from opening a stream without events to its headers, ms. */
export const QUIET_HEADERS = 'headers of a quiet stream'

const EVENTS_PER_SECOND = 100
/** Streams at once before the first round. */
const WARM_UP_STREAMS = 20
const QUIET_STREAMS = 20
const QUIET_LIMIT_MS = 1000

/** Reads one steady stream of events for `seconds` in each round, and opens some quiet ones. */
export async function measureEvents(
  targets: ReadonlyMap<string, Target>,
  plan: { readonly rounds: number; readonly seconds: number },
  readings: Readings,
): Promise<void> {
  // Until the compilers have seen it all: at this pace that would take longer than the measurement.
  for (const target of targets.values()) {
    await Promise.all(Array.from({ length: WARM_UP_STREAMS }, () => eventLatencies(target, EVENTS_PER_SECOND)))
  }
  await interleave(plan.rounds, [...targets], async ([name, target]) => {
    readings.add(EVENT_P50, name, median(await eventLatencies(target, plan.seconds * EVENTS_PER_SECOND)))
    readings.add(QUIET_HEADERS, name, median(await timesToHeaders(target)))
  })
}

function eventLatencies(target: Target, events: number): Promise<number[]> {
  const socket = openStream(target, { 'x-events': String(events) })
  const latencies: number[] = []
  return new Promise<number[]>((resolve, reject) => {
    socket.on('data', (data) => {
      const now = process.hrtime.bigint()
      for (const [, at = ''] of data.toString('latin1').matchAll(/"at":"(\d+)"/g)) {
        latencies.push(Number(now - BigInt(at)) / 1000)
      }
      if (latencies.length === events) resolve(latencies)
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`${latencies.length} of ${events} events came through ${target.url}`)))
  }).finally(() => socket.destroy())
}

/** In ms; infinite for a proxy that keeps them back, which is asked only once. */
async function timesToHeaders(target: Target): Promise<number[]> {
  const times: number[] = []
  while (times.length < QUIET_STREAMS) {
    const start = performance.now()
    const socket = openStream(target)
    try {
      await headersOf(socket, QUIET_LIMIT_MS)
      times.push(performance.now() - start)
    } catch (error) {
      if (error instanceof NoHeaders) return [Number.POSITIVE_INFINITY]
      throw error
    } finally {
      socket.destroy()
    }
  }
  return times
}
