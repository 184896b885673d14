import { setTimeout as after } from 'node:timers/promises'
import type { Bench } from '../case.ts'
import { configureGateway } from '../cases/gateway-process.ts'
import { stock } from '../cases/stock.ts'
import { startChild } from '../child.ts'
import type { Readings } from '../readings.ts'

/** From exec until `/readyz` says so (the gateway), or until it listens (the stock proxy), ms. */
export const READY = 'ready after exec'

const POLL_MS = 2

/** Starts the compiled gateway and the stock proxy in turn; the first start of each only warms the page cache. */
export async function measureStart(bench: Bench, cli: string, rounds: number, readings: Readings): Promise<void> {
  const { command, port, readyUrl } = await configureGateway(bench, { name: 'start', cli })
  const gateway = async (keep: Bench['keep']) => {
    keep(await startChild(command, { core: bench.proxyCore, port }))
    while (!(await isReady(readyUrl))) await after(POLL_MS)
  }
  for (let round = -1; round < rounds; round += 1) {
    const times = { gateway: await timed(gateway), stock: await timed((keep) => stock.start({ ...bench, keep })) }
    if (round < 0) continue
    for (const [name, milliseconds] of Object.entries(times)) readings.add(READY, name, milliseconds)
  }
}

async function timed(start: (keep: Bench['keep']) => Promise<unknown>): Promise<number> {
  const children: Parameters<Bench['keep']>[0][] = []
  const began = performance.now()
  await start((child) => {
    children.push(child)
  })
  const elapsed = performance.now() - began
  for (const child of children) await child.stop()
  return elapsed
}

async function isReady(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  )
}
