/** How long a request to a provider may take as a whole, ms. */
export const REQUEST_MS = 8000
/**
 * The same for a refresh. Whoever gives up waiting may lose the only token that works, so it is as long as its lease and a
 * shutdown permit; callers are told sooner.
 */
export const REFRESH_MS = 12_000
/** A timer that is so much late does not come from a busy process, but from one that stood still. */
const STOOD_STILL_MS = 500
/** What has arrived meanwhile is read by the end of this. */
const CATCH_UP_MS = 1000

/**
 * Aborts after `ms`. When the process stood still (SIGSTOP, a paused machine), timers come before everything that has
 * arrived meanwhile: an answer that is there is not given up for that, because it may hold the successor of a refresh token
 * that is spent (C09).
 */
export function deadlineIn(ms: number): AbortSignal {
  const controller = new AbortController()
  const abort = () => controller.abort()
  const due = performance.now() + ms
  const onTime = () => {
    if (performance.now() - due < STOOD_STILL_MS) abort()
    else setTimeout(abort, CATCH_UP_MS).unref()
  }
  setTimeout(onTime, ms).unref()
  return controller.signal
}
