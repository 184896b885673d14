/** What was read of a provider last, or why not. Any number of callers share one attempt. */
export interface LastRead<T> {
  readonly known: Dated<T> | undefined
  /** Why the last attempt was in vain; undefined again after one that was not. */
  readonly failed: Dated<unknown> | undefined
  /** Whether nobody is to try now, because it was in vain a moment ago. */
  isHeldOff(): boolean
  /** Rejects with what `read` rejects with. */
  readAnew(): Promise<T>
}

export interface Dated<T> {
  readonly value: T
  /** ms since 1970. */
  readonly at: number
}

/** Long enough that a crowd does not hammer a provider that is down, short enough that nobody notices. */
const RETRY_AFTER_MS = 3000

/** In front of `read`; nothing is read before it is asked for. `now` in ms since 1970. */
export function createLastRead<T>(read: () => Promise<T>, now: () => number): LastRead<T> {
  let known: Dated<T> | undefined
  let failed: Dated<unknown> | undefined
  let pending: Promise<T> | undefined

  return {
    get known() {
      return known
    },
    get failed() {
      return failed
    },
    isHeldOff: () => isYounger(failed, RETRY_AFTER_MS, now),
    readAnew() {
      pending ??= read()
        .then((value) => {
          known = { value, at: now() }
          failed = undefined
          return value
        })
        .catch((trouble: unknown) => {
          failed = { value: trouble, at: now() }
          throw trouble
        })
        .finally(() => {
          pending = undefined
        })
      return pending
    },
  }
}

/** Whether there is such a thing and it is younger than `ms`; a clock that was set back makes nothing young. */
export function isYounger(one: Dated<unknown> | undefined, ms: number, now: () => number): boolean {
  return one !== undefined && Math.abs(now() - one.at) < ms
}
