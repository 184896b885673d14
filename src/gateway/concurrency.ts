/** How many requests and streams are open at once: a server that hangs, or one busy client, holds up nobody else (C38). */
export interface Concurrency {
  /** Counts one more that keeps `bodyBytes` in memory, or says which limit it would exceed; then nothing is counted. */
  enter(routePath: string, grantId: string, bodyBytes: number): 'entered' | Busy
  /** Gives back what {@link Concurrency.enter} counted. */
  leave(routePath: string, grantId: string, bodyBytes: number): void
}

/** Which limit is reached. */
export type Busy = 'grant_busy' | 'route_busy' | 'gateway_busy'

export interface ConcurrencyLimits {
  /** On all routes together. */
  readonly concurrent: number
  readonly concurrentPerGrant: number
  readonly concurrentPerRoute: number
  /** Of bodies that are kept as a whole, on all routes together. */
  readonly bodyBytesAtOnce: number
}

/** Counters that hold nothing but what is open now. */
export function createConcurrency(limits: ConcurrencyLimits): Concurrency {
  const ofRoute = new Map<string, number>()
  const ofGrant = new Map<string, number>()
  let open = 0
  let kept = 0
  return {
    enter(routePath, grantId, bodyBytes) {
      const onRoute = ofRoute.get(routePath) ?? 0
      const underGrant = ofGrant.get(grantId) ?? 0
      if (open >= limits.concurrent || kept + bodyBytes > limits.bodyBytesAtOnce) return 'gateway_busy'
      if (onRoute >= limits.concurrentPerRoute) return 'route_busy'
      if (underGrant >= limits.concurrentPerGrant) return 'grant_busy'
      open += 1
      kept += bodyBytes
      ofRoute.set(routePath, onRoute + 1)
      ofGrant.set(grantId, underGrant + 1)
      return 'entered'
    },
    leave(routePath, grantId, bodyBytes) {
      open -= 1
      kept -= bodyBytes
      countDown(ofRoute, routePath)
      countDown(ofGrant, grantId)
    },
  }
}

function countDown(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 0) - 1
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}
