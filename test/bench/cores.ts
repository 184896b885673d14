import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** Which core proxies run on, and which one everything else; undefined where nothing is pinned. */
export interface Cores {
  readonly proxyCore: number | undefined
  readonly restCore: number | undefined
}

/** Moves this process to the second core and leaves the first one to the proxies, if there are two and `taskset` can. */
export function divideCores(): Cores {
  const nowhere = { proxyCore: undefined, restCore: undefined }
  if (availableParallelism() < 2) return nowhere
  try {
    execFileSync('taskset', ['-a', '-c', '-p', '1', String(process.pid)], { stdio: 'ignore' })
    return { proxyCore: 0, restCore: 1 }
  } catch {
    return nowhere
  }
}
