import { totalmem } from 'node:os'

/** Of a gateway that serves nobody, with some room; and of one open request or stream with its buffers on both sides. */
const IDLE_BYTES = 150 * 1024 * 1024
const EXCHANGE_BYTES = 64 * 1024
/** Fewer than this would be no gateway; the container is too small then. */
const LEAST = 200

/** What this process may use: the limit of its container (cgroup), or the memory of the machine. Bytes. */
export function memoryOfProcess(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}

/** How many requests and streams may be open at once so that their number does not exhaust `memoryBytes` (C65). */
export function concurrencyThatFits(memoryBytes: number): number {
  return Math.max(LEAST, Math.floor((memoryBytes - IDLE_BYTES) / EXCHANGE_BYTES))
}
