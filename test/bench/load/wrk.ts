import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pinned } from '../child.ts'
import type { Load, Outcome } from './load.ts'

/** Sends the load with wrk, on one thread. Rejects when its answer cannot be read. */
export async function callWithWrk(
  binary: string,
  directory: string,
  core: number | undefined,
  load: Load,
): Promise<Outcome> {
  const body = join(directory, 'body')
  const tokens = join(directory, 'tokens')
  const script = join(directory, 'load.lua')
  writeFileSync(body, load.body)
  writeFileSync(tokens, load.tokens.join('\n'), { mode: 0o600 })
  writeFileSync(script, lua(load, body, tokens))
  const scale = ['-t', '1', '-c', String(load.connections), '-d', `${load.seconds}s`, '--timeout', '30s']
  const [file, ...args] = pinned([binary, ...scale, '-s', script, load.url], core)
  const { stdout } = await promisify(execFile)(file, args)
  const [, requests, failures, microseconds, p50, p99] = /^outcome (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(stdout) ?? []
  if (requests === undefined) throw new Error(`wrk said: ${stdout}`)
  return {
    requests: Number(requests),
    failures: Number(failures),
    seconds: Number(microseconds) / 1_000_000,
    p50: Number(p50),
    p99: Number(p99),
  }
}

/** A request for each token is put together before the clock starts; JSON strings of ASCII are strings of Lua as well. */
function lua({ method, headers }: Load, body: string, tokens: string): string {
  return `
local requests = {}
local last = 0
function init()
  wrk.method = '${method}'
  wrk.body = io.open('${body}'):read('*a')
${Object.entries(headers)
  .map(([name, value]) => `  wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`)
  .join('\n')}
  for token in io.lines('${tokens}') do
    wrk.headers['authorization'] = 'Bearer ' .. token
    requests[#requests + 1] = wrk.format()
  end
end
function request()
  last = last % #requests + 1
  return requests[last]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\noutcome %d %d %d %d %d\\n', summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, summary.duration, latency:percentile(50), latency:percentile(99)))
end
`
}
