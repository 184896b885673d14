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
 * Takes back at providers what was registered there for clients that are gone. Returns the way to stop it.
 */
export function startCleanUp({ store, mirrored, onEnded, now, idleMs, logger }: CleanUpTools): () => void {
  let stopped = false
  let running = false

  async function cleanUp(): Promise<void> {
    if (running) return
    running = true
    try {
      for (let step = 0; step < MAX_STEPS && !stopped; step += 1) {
        const ended = await store.takeEnded(now(), ROWS)
        onEnded(ended)
        const deleted = await store.deleteExpired(now(), ROWS, {
          clients: now() - UNUSED_CLIENT_MS,
          sharedCredentials: now() - idleMs,
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
