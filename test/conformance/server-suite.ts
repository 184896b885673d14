import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const SUITE = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'))

/** One check of the suite, as it writes them down. */
export interface Check {
  readonly scenario: string
  readonly id: string
  readonly name: string
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO'
  readonly errorMessage?: string
}

/** What came of a run: every check of every scenario, in the suite's order within a scenario. */
export interface SuiteRun {
  readonly checks: readonly Check[]
  /** What the suite printed, for the message of a failing test. */
  readonly output: string
}

/** Runs all scenarios of the suite's `server` command that there are for `revision` against the server at `url`. */
export async function runServerSuite(url: string, revision: string): Promise<SuiteRun> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-conformance-'))
  try {
    const parameters = ['--url', url, '--suite', 'all', '--spec-version', revision, '-o', directory]
    const child = spawn(process.execPath, [SUITE, 'server', ...parameters], {
      env: { PATH: process.env.PATH, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
    return { checks: await readChecks(directory), output }
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function readChecks(directory: string): Promise<readonly Check[]> {
  const names = (await readdir(directory)).sort()
  const all = names.map(async (name) => {
    const checks: Check[] = JSON.parse(await readFile(join(directory, name, 'checks.json'), 'utf8'))
    // The name of a directory ends in the time.
    const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '')
    return checks.map((check) => ({ ...check, scenario }))
  })
  return (await Promise.all(all)).flat()
}
