import { totalmem } from 'node:os'

/** Of a gateway that serves nobody, with room for sign-ins; of one open request or stream whose client reads nothing. */
const IDLE_BYTES = 96 * 1024 * 1024
const EXCHANGE_BYTES = 128 * 1024
/** What the check of one password takes (scrypt). */
const PASSWORD_BYTES = 128 * 1024 * 1024
/** For bodies that are read as a whole, so many parts of the memory are one. */
const BODY_PARTS = 8
/** Fewer than these would be no gateway; the container is too small then. */
const LEAST = 200
const LEAST_BODY_BYTES = 8 * 1024 * 1024

/** What this process may use: the limit of its container (cgroup), or the memory of the machine. Bytes. */
export function memoryOfProcess(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}

/**
 * How many requests and streams may be open at once so that their number does not exhaust `memoryBytes` (C65);
 * `hasPasswords`: where people sign in with passwords, which have to be checked meanwhile.
 */
export function concurrencyThatFits(memoryBytes: number, hasPasswords: boolean): number {
  const taken = IDLE_BYTES + bodyBytesThatFit(memoryBytes) + (hasPasswords ? PASSWORD_BYTES : 0)
  return Math.max(LEAST, Math.floor((memoryBytes - taken) / EXCHANGE_BYTES))
}

/** How many bytes of bodies may be kept at once so that they do not exhaust `memoryBytes` (C65). */
export function bodyBytesThatFit(memoryBytes: number): number {
  return Math.max(LEAST_BODY_BYTES, Math.floor(memoryBytes / BODY_PARTS))
}
