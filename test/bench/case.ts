import type { Child } from './child.ts'

/** What a case needs to start. */
export interface Bench {
  /** For files of this run; removed at its end. */
  readonly directory: string
  /** The port of the MCP server behind all cases; it answers at /mcp. */
  readonly upstreamPort: number
  /** The core of the proxies, and the one of everything else; undefined where nothing can be pinned. */
  readonly proxyCore: number | undefined
  readonly restCore: number | undefined
  /** Has it stopped when the measurement is over. */
  keep(process: { stop(): Promise<void> }): void
}

/** Where calls go, and the process whose CPU time and memory count (none for the direct way). */
export interface Target {
  readonly url: string
  /** Used in turn, one for each call. */
  readonly tokens: readonly [string, ...string[]]
  readonly proxy: Child | undefined
}

/** One row of the tables. */
export interface Case {
  /** What `--only` calls it. */
  readonly name: string
  readonly title: string
  /** This gateway. */
  readonly ours?: true
  /** Differs from the plain gateway in what it does with a call alone: streams and bodies would say nothing new. */
  readonly callsOnly?: true
  /** Resolves to a sentence where the machine lacks something that the case needs. */
  start(bench: Bench): Promise<Target | string>
}
