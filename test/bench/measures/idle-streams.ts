import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Target } from '../case.ts'
import { headersOf, openStream } from '../open-stream.ts'
import type { Readings } from '../readings.ts'

/** Memory that the proxy takes for each open stream that has fallen silent, KB of resident set. */
export const IDLE_MEMORY = 'KB per idle stream'

/** Opened and closed before the first look, so that what only the first streams cost is not counted. */
const WARM_UP = 200
const AT_ONCE = 50
/** With one event at the start: without it some proxies would not even pass the headers on. */
const GREETED = { 'x-greeting': '1' }
const SETTLE_MS = 500
const STEADY_KB = 200
const MAX_LOOKS = 30

/** As many streams as asked for, or as the limit on open files permits: a proxy has two sockets for each. */
export function permittedStreams(wanted: number): number {
  const limit = /^Max open files +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return limit === undefined || limit === 'unlimited' ? wanted : Math.min(wanted, Math.floor((Number(limit) - 500) / 2))
}

/** Holds `count` streams open through a target that was just started, and notes what its memory grew by. */
export async function measureIdleStreams(
  name: string,
  target: Target,
  count: number,
  readings: Readings,
): Promise<void> {
  if (!target.proxy) return
  const { pid } = target.proxy
  await closeAll(await open(target, WARM_UP))
  const before = await steadyMemory(pid)
  const sockets = await open(target, count)
  const after = await steadyMemory(pid)
  // Memory of streams that the proxy has let go of would be nobody's.
  if (sockets.every(({ destroyed }) => !destroyed)) readings.add(IDLE_MEMORY, name, (after - before) / count)
  await closeAll(sockets)
}

async function open(target: Target, count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, () => openStream(target, GREETED))
    sockets.push(...batch)
    await Promise.all(batch.map((socket) => headersOf(socket)))
  }
  return sockets
}

async function closeAll(sockets: readonly Socket[]): Promise<void> {
  await Promise.all(
    sockets.map((socket) => {
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.destroy()
      return closed
    }),
  )
}

/** The resident set in KB, once it has stopped changing. */
async function steadyMemory(pid: number): Promise<number> {
  let last = residentKb(pid)
  for (let looks = 0; looks < MAX_LOOKS; looks += 1) {
    await sleep(SETTLE_MS)
    const now = residentKb(pid)
    if (Math.abs(now - last) < STEADY_KB) return now
    last = now
  }
  return last
}

function residentKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
