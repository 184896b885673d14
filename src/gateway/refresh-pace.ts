import { LRUCache } from 'lru-cache'

/** Leaves providers alone that are in trouble, so that trouble does not become a flood (C17, C25). */
export interface RefreshPace {
  /** A turn to try a credential at its provider now, or undefined: its outcome must be told, or that it was not used. */
  mayTry(provider: string, credentialId: string): PaceTurn | undefined
  /** The provider could not do it, or refuses us; `retryAfterMs` is what it asked for. */
  failed(provider: string, credentialId: string, retryAfterMs?: number): void
  /** The provider has answered for this credential, whatever it said. */
  answered(provider: string, credentialId: string): void
  /** Runs `ask` as soon as fewer than {@link AT_ONCE} others are under way at the provider. */
  enter<T>(provider: string, ask: () => Promise<T>): Promise<T>
}

export interface PaceTurn {
  /** The provider was not asked after all: somebody else may be the scout. */
  unused(): void
}

/** Pauses of one credential: doubled with each failure, and spread so that many do not come back together. */
const FIRST_PAUSE_MS = 2000
const LONGEST_PAUSE_MS = 60_000
/** What a provider may ask for at the most: it may be wrong about itself. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000
/** So many failures in a row, of whichever credentials, and nobody is sent to the provider but one scout at a time. */
const BREAK_AFTER = 5
/** A scout that has not reported by then is lost. */
const SCOUT_MS = 10_000
/** Refreshes under way at one provider. */
export const AT_ONCE = 32

interface Pause {
  failures: number
  until: number
}

interface Circuit extends Pause {
  running: number
  /** Whoever tries on behalf of all others; outdated once somebody has reported. */
  scout?: PaceTurn | undefined
  readonly waiting: (() => void)[]
}

/** `open` hears whenever a provider's circuit breaks or closes; `now` in ms, `random` from 0 to 1. */
export function createRefreshPace(
  now: () => number,
  open: (provider: string, isOpen: boolean) => void = () => {},
  random: () => number = Math.random,
): RefreshPace {
  const pauses = new LRUCache<string, Pause>({ max: 10_000 })
  const circuits = new Map<string, Circuit>()

  function circuitOf(provider: string): Circuit {
    const circuit = circuits.get(provider) ?? { failures: 0, until: 0, running: 0, waiting: [] }
    circuits.set(provider, circuit)
    return circuit
  }

  /** No pause lasts longer than this: the clock was set back, and it would last until it has caught up. */
  function isAhead(until = 0): boolean {
    const leftMs = until - now()
    return leftMs > 0 && leftMs <= LONGEST_RETRY_AFTER_MS
  }

  function pauseAfter(failures: number): number {
    return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1)) * (0.8 + 0.4 * random())
  }

  return {
    mayTry(provider, credentialId) {
      const circuit = circuitOf(provider)
      if (isAhead(pauses.get(credentialId)?.until) || isAhead(circuit.until)) return undefined
      if (circuit.failures < BREAK_AFTER) return NO_SCOUT
      circuit.until = now() + SCOUT_MS
      const scout: PaceTurn = {
        unused() {
          if (circuit.scout === scout) circuit.until = 0
        },
      }
      circuit.scout = scout
      return scout
    },
    failed(provider, credentialId, retryAfterMs = 0) {
      const pause = pauses.get(credentialId) ?? { failures: 0, until: 0 }
      pause.failures += 1
      const wanted = Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS)
      pause.until = now() + Math.max(wanted, pauseAfter(pause.failures))
      pauses.set(credentialId, pause)
      const circuit = circuitOf(provider)
      circuit.failures += 1
      if (circuit.failures < BREAK_AFTER) return
      circuit.scout = undefined
      circuit.until = now() + pauseAfter(circuit.failures - BREAK_AFTER + 1)
      open(provider, true)
    },
    answered(provider, credentialId) {
      pauses.delete(credentialId)
      const circuit = circuitOf(provider)
      if (circuit.failures >= BREAK_AFTER) open(provider, false)
      circuit.failures = 0
      circuit.until = 0
    },
    async enter(provider, ask) {
      const circuit = circuitOf(provider)
      if (circuit.running >= AT_ONCE) await new Promise<void>((resolve) => circuit.waiting.push(resolve))
      else circuit.running += 1
      try {
        return await ask()
      } finally {
        // Whoever waits takes over the place as it is.
        const next = circuit.waiting.shift()
        if (next) next()
        else circuit.running -= 1
      }
    },
  }
}

const NO_SCOUT: PaceTurn = { unused() {} }
