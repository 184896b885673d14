import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Case, Target } from './case.ts'
import type { Child } from './child.ts'
import type { Cores } from './cores.ts'

/** Where this run keeps its files, and which cores it uses. */
export interface Place extends Cores {
  readonly directory: string
}

/** Starts an MCP server, gives what a case needs to `use`, and afterwards stops everything that was started for it. */
export async function withBench<T>(
  place: Place,
  startUpstream: (directory: string, core: number | undefined) => Promise<Child>,
  use: (bench: Bench) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(place.directory, 'part-'))
  const running: Parameters<Bench['keep']>[0][] = []
  const keep: Bench['keep'] = (process) => {
    running.push(process)
  }
  try {
    const upstream = await startUpstream(directory, place.restCore)
    keep(upstream)
    return await use({ ...place, directory, upstreamPort: upstream.port, keep })
  } finally {
    await Promise.all(running.map((process) => process.stop()))
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Starts the cases that can be started here, all at once, by name; `leftOut` hears of the others, and why. */
export async function startCases(
  bench: Bench,
  cases: readonly Case[],
  leftOut: (row: Case, reason: string) => void,
): Promise<ReadonlyMap<string, Target>> {
  const started = await Promise.all(cases.map(async (row) => ({ row, target: await row.start(bench) })))
  const targets = new Map<string, Target>()
  for (const { row, target } of started) {
    if (typeof target === 'string') leftOut(row, target)
    else targets.set(row.name, target)
  }
  return targets
}
