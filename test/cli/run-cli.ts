import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** How one run of the command ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A running `gatehouse`. */
export interface Running {
  readonly child: ChildProcess
  /** Resolves when stdout holds `text`; rejects when the process ends before. */
  said(text: string): Promise<void>
  readonly ended: Promise<Ended>
}

/** Starts the real command line with nothing in its environment but `env`; `cli` is another than that of the sources. */
export function start(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; input?: string; cli?: string } = {},
) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', options.cli ?? CLI, ...args], {
    env: { PATH: process.env.PATH, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => undefined).end(options.input ?? '')
  const ended = once(child, 'close').then(([code]): Ended => ({ code, stdout, stderr }))
  const running: Running = {
    child,
    ended,
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = () => stdout.includes(text) && resolve()
        child.stdout.on('data', look)
        look()
        ended.then((end) => reject(new Error(`ended before it said ${text}: ${JSON.stringify(end)}`)))
      }),
  }
  return running
}

/** Runs the command to its end. */
export function run(...parameters: Parameters<typeof start>): Promise<Ended> {
  return start(...parameters).ended
}

/** A directory of its own with `files` in it; `remove` deletes it. */
export function workplace(files: Readonly<Record<string, string>>): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'gatehouse-cli-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
  return { path, remove: () => rmSync(path, { recursive: true }) }
}
