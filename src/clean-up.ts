import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Store } from './storage/store.ts'
import type { MirroredClients } from './upstream-clients/mirrored-clients.ts'

const EVERY_MS = 60_000
/** Rows of each kind in one step; small, because requests wait while a step runs. */
const ROWS = 200
/** Steps in a row, with a pause between them: more than a busy gateway can make expire in a minute. */
const MAX_STEPS = 100
const PAUSE_MS = 20
/** Each is a request to a provider. */
const LOST_CLIENTS = 20
/** Clients that registered and never got a grant stay this long: many never register again. */
const UNUSED_CLIENT_MS = 90 * 24 * 60 * 60 * 1000
/** How far the clock may get ahead of the time that has passed before it is doubted, */
const AHEAD_MS = 5 * 60_000
/** and for how long: somebody may set it right again, and what it has ended lives on (C58). */
const DOUBT_MS = 60 * 60_000

export interface CleanUpTools {
  readonly store: Store
  readonly mirrored: Pick<MirroredClients, 'collect'>
  /** Hears of what has ended by itself and may hold tokens of a provider. */
  readonly onEnded: (ended: Awaited<ReturnType<Store['takeEnded']>>) => void
  /** ms since 1970. */
  readonly now: () => number
  readonly idleMs: number
  readonly logger: Logger
}

/**
 * Deletes what has ended, once a minute and in small steps; a user's own token when nobody has used it for `idleMs`.
 * Takes back at providers what was registered there for clients that are gone. Nothing goes for an hour after the clock has
 * leapt ahead. Returns the way to stop it.
 */
export function startCleanUp({ store, mirrored, onEnded, now, idleMs, logger }: CleanUpTools): () => void {
  const isDoubtful = doubtAbout(now)
  let stopped = false
  let running = false

  async function cleanUp(): Promise<void> {
    const doubt = isDoubtful()
    if (doubt === 'new') logger.warn('the clock has leapt ahead: what has ended is deleted in an hour at the earliest')
    if (doubt || running) return
    running = true
    try {
      const at = now()
      for (let step = 0; step < MAX_STEPS && !stopped; step += 1) {
        const ended = await store.takeEnded(at, ROWS)
        onEnded(ended)
        const deleted = await store.deleteExpired(at, ROWS, {
          clients: at - UNUSED_CLIENT_MS,
          sharedCredentials: at - idleMs,
        })
        if (deleted + ended.interactions.length + ended.grants.length < ROWS) break
        await sleep(PAUSE_MS)
      }
      if (!stopped) await mirrored.collect(LOST_CLIENTS)
    } catch (error) {
      if (!stopped) logger.warn({ err: error }, 'expired rows were not deleted')
    } finally {
      running = false
    }
  }

  const timer = setInterval(() => void cleanUp(), EVERY_MS)
  timer.unref()
  return () => {
    stopped = true
    clearInterval(timer)
  }
}

/** Whether `now` is doubtful each time that it is asked: `new` when it has just got ahead of the time that has passed. */
function doubtAbout(now: () => number): () => 'new' | 'known' | undefined {
  const lead = () => now() - performance.now()
  let trusted = lead()
  let since: number | undefined
  return () => {
    const isAhead = lead() - trusted > AHEAD_MS
    if (isAhead && since === undefined) {
      since = performance.now()
      return 'new'
    }
    if (isAhead && since !== undefined && performance.now() - since < DOUBT_MS) return 'known'
    trusted = lead()
    since = undefined
    return undefined
  }
}
