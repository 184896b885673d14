import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { StoreUnavailable } from '../storage/store.ts'

/** Writes that must happen although the database is away: what they say is known to nobody else (C14, C15). */
export interface DurableWrites {
  /** Repeats `write` until the database has taken it. Resolves to its result; never rejects for want of a database. */
  persist<T>(write: () => Promise<T>): Promise<T>
  /** Resolves when nothing is left to be written. */
  flushed(): Promise<void>
}

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5000

export function createDurableWrites(logger: () => FastifyBaseLogger): DurableWrites {
  const underWay = new Set<Promise<unknown>>()

  async function repeat<T>(write: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await write()
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        logger().error({ err: error, attempt }, 'a refreshed credential could not be stored yet; it is kept in memory')
        await sleep(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt))
      }
    }
  }

  return {
    persist(write) {
      const written = repeat(write)
      underWay.add(written)
      const forget = () => void underWay.delete(written)
      written.then(forget, forget)
      return written
    },
    async flushed() {
      while (underWay.size > 0) await Promise.allSettled(underWay)
    },
  }
}
