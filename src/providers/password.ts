import { verifyPassword } from '../domain/password-hash.ts'
import type { Secret } from '../domain/secret.ts'
import type { Provider } from './provider.ts'

/** A handful of people, each with a scrypt hash, where there is no identity provider. */
export interface PasswordOptions {
  readonly name: string
  /** scrypt hashes by user name. */
  readonly users: ReadonlyMap<string, Secret>
}

/** Each computation takes a third of a second and 128 MiB: two at once leave the gateway alive, in a small container one (C65). */
const MAX_AT_ONCE = 2
const SMALL_BYTES = 512 * 1024 * 1024
/** Whoever comes when so many wait is sent away at once instead of waiting for minutes. */
const MAX_WAITING = 32
const MAX_USER_NAME_LENGTH = 256

/**
 * Sign-in with user name and password on our own page. An unknown user costs the same work and gets the same answer as
 * a wrong password; too many attempts at once are `unavailable`.
 */
export function createPasswordProvider({ name, users }: PasswordOptions): Provider {
  const hashes = new Map([...users].map(([user, hash]) => [user.normalize('NFC'), hash]))
  // Somebody else's hash is the best stand-in for a missing one: it costs what the others cost.
  const [standIn] = hashes.values()
  const takeTurn = createQueue(isSmall() ? 1 : MAX_AT_ONCE, MAX_WAITING)

  return {
    name,
    entry: 'form',
    knows: (subject) => hashes.has(subject),

    async begin(state, callbackUrl) {
      const location = new URL(callbackUrl)
      location.searchParams.set('state', state)
      return { location: location.href, continuation: {} }
    },

    async finish({ url, form, state }) {
      if (url.searchParams.getAll('state').some((presented) => presented !== state))
        return { outcome: 'refused', reason: 'state_mismatch' }
      if (!form) return { outcome: 'refused', reason: 'form_missing' }
      const user = form.username.length <= MAX_USER_NAME_LENGTH ? form.username.normalize('NFC') : ''
      const hash = hashes.get(user)
      const work = (hash ?? standIn)?.reveal()
      if (work === undefined) return { outcome: 'wrong_password' }
      const matches = await takeTurn(() => verifyPassword(form.password, work)).catch(() => 'broken' as const)
      if (matches === 'full') return { outcome: 'unavailable', reason: 'too_many_attempts_at_once' }
      // Such as no memory left for scrypt (C69).
      if (matches === 'broken') return { outcome: 'unavailable', reason: 'password_check_failed' }
      if (!matches || hash === undefined) return { outcome: 'wrong_password' }
      const email = /^[^\s@]+@[^\s@]+$/.test(user) ? { email: user } : {}
      return { outcome: 'signed-in', identity: { provider: name, subject: user, groups: [], ...email } }
    },
  }
}

/** Whether the limit of the container (cgroup) leaves no room for two computations. */
function isSmall(): boolean {
  const limit = process.constrainedMemory()
  return limit > 0 && limit < SMALL_BYTES
}

/** Runs `atOnce` jobs at a time and lets `waiting` more wait, in order; says `full` to the rest. */
function createQueue(atOnce: number, waiting: number): (job: () => Promise<boolean>) => Promise<boolean | 'full'> {
  const line: (() => void)[] = []
  let running = 0

  return async (job) => {
    if (running >= atOnce) {
      if (line.length >= waiting) return 'full'
      // The one that ends hands over its place, so `running` does not change.
      await new Promise<void>((resolve) => line.push(resolve))
    } else running += 1
    try {
      return await job()
    } finally {
      const next = line.shift()
      if (next) next()
      else running -= 1
    }
  }
}
