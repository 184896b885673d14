import { setImmediate } from 'node:timers/promises'

/** Requests for which nobody waits: so many at a time at each provider, because thousands of grants may end together. */
export interface GiveBackQueue {
  /** Runs `ask` in its turn at `provider`. Resolves when that has been tried, or left out; never rejects. */
  add(provider: string, ask: () => Promise<void>): Promise<void>
  /**
   * Begins nothing after `limitMs`. Resolves when nothing is under way any more, then at the latest: to how many were
   * left out so far, or have no answer.
   */
  drain(limitMs: number): Promise<number>
}

/** Requests under way at one provider. */
export const AT_ONCE = 8
/** Each holds a sealed row; what comes when so many wait is left out. */
export const MAX_WAITING = 10_000

interface Line {
  running: number
  isFull: boolean
  readonly waiting: { readonly ask: () => Promise<void>; readonly done: () => void }[]
}

/** `onFull` hears when so many wait at a provider that some are left out; again when it has been empty since. */
export function createGiveBackQueue(onFull: (provider: string) => void = () => {}): GiveBackQueue {
  const lines = new Map<string, Line>()
  let open = 0
  let leftOut = 0
  let isOver = false
  let whenEmpty = () => {}

  function lineOf(provider: string): Line {
    const line = lines.get(provider) ?? { running: 0, isFull: false, waiting: [] }
    lines.set(provider, line)
    return line
  }

  async function work(line: Line): Promise<void> {
    line.running += 1
    for (let next = line.waiting.shift(); next; next = line.waiting.shift()) {
      if (isOver) leftOut += 1
      else await next.ask().catch(() => undefined)
      next.done()
      open -= 1
      if (open === 0) whenEmpty()
      // Opening what is sealed takes the process: callers get their turn in between.
      await setImmediate()
    }
    line.running -= 1
    line.isFull = false
  }

  return {
    add(provider, ask) {
      const line = lineOf(provider)
      if (isOver || line.waiting.length >= MAX_WAITING) {
        leftOut += 1
        if (!isOver && !line.isFull) onFull(provider)
        line.isFull = true
        return Promise.resolve()
      }
      open += 1
      return new Promise((done) => {
        line.waiting.push({ ask, done })
        if (line.running < AT_ONCE) void work(line)
      })
    },
    async drain(limitMs) {
      if (open > 0) {
        const { promise, resolve } = Promise.withResolvers<void>()
        whenEmpty = resolve
        const limit = setTimeout(resolve, limitMs)
        await promise
        clearTimeout(limit)
      }
      isOver = true
      return leftOut + open
    },
  }
}
