import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Child, startNode } from './child.ts'
import { startGateway } from './gateway.ts'
import { type Sample, sample, type Target } from './load.ts'
import { startNginx } from './nginx.ts'
import { ALONE, asJson, BUSY, type Rounds, table } from './report.ts'

/**
 * `npm run bench`: this gateway beside nginx, beside the stock Fastify proxy with the same token check, and beside no
 * proxy. Rounds are interleaved, so that whatever else the machine does hits every case alike. `--quick` measures two
 * short rounds and writes nothing.
 */
const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
const plan = values.quick ? { rounds: 2, seconds: 1 } : { rounds: 7, seconds: 3 }
const REFERENCES = ['nginx', 'stock @fastify/http-proxy']
const DOCUMENT = new URL('../../docs/performance.md', import.meta.url)
const NUMBERS = new URL('../../docs/performance.json', import.meta.url)
const MARKED = /(<!-- bench:begin -->\n)[\s\S]*(<!-- bench:end -->)/

const directory = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
const children: Child[] = []
try {
  const { proxyCore, restCore } = cores()
  const targets = await startTargets(proxyCore, restCore)
  for (const target of targets) await sample(target, BUSY, plan.seconds)
  const results = await measure(targets)
  const text = table(results, REFERENCES)
  say(`\n${text}\n`)
  if (!values.quick) {
    writeFileSync(DOCUMENT, readFileSync(DOCUMENT, 'utf8').replace(MARKED, `$1\n${text}\n\n$2`))
    writeFileSync(NUMBERS, asJson(results, REFERENCES, plan.rounds))
  }
} finally {
  await Promise.all(children.map((child) => child.stop()))
  rmSync(directory, { recursive: true, force: true })
}

async function startTargets(proxyCore: number | undefined, restCore: number | undefined): Promise<Target[]> {
  const keep = <T extends Child | undefined>(child: T): T => {
    if (child) children.push(child)
    return child
  }
  const upstream = keep(await startNode('upstream-process.ts', [], restCore))
  const base = `http://127.0.0.1:${upstream.port}`
  const token = 'a-token-of-the-usual-length-0123456789abcdefghi'
  const targets: Target[] = [{ name: 'direct', url: `${base}/mcp`, token, proxy: undefined }]

  const nginx = keep(await startNginx(directory, upstream.port, proxyCore))
  if (nginx) targets.push({ name: 'nginx', url: `http://127.0.0.1:${nginx.port}/bench`, token, proxy: nginx })
  else say('nginx is not on PATH: its row is left out')

  const stock = keep(await startNode('stock-proxy-process.ts', [base, token], proxyCore))
  targets.push({
    name: 'stock @fastify/http-proxy',
    url: `http://127.0.0.1:${stock.port}/bench`,
    token,
    proxy: stock,
  })

  const gateway = await startGateway(directory, upstream.port, proxyCore)
  keep(gateway.child)
  const url = `http://127.0.0.1:${gateway.child.port}/bench`
  targets.push({ name: 'this gateway', url, token: gateway.token, proxy: gateway.child })
  return targets
}

async function measure(targets: readonly Target[]): Promise<ReadonlyMap<string, Rounds>> {
  const results = new Map<string, Map<number, Sample[]>>(
    targets.map(({ name }) => [name, new Map([ALONE, BUSY].map((connections) => [connections, []]))]),
  )
  for (let round = 0; round < plan.rounds; round += 1) {
    say(`round ${round + 1} of ${plan.rounds}`)
    for (const connections of [ALONE, BUSY]) {
      // Another order each time: nobody always comes first.
      for (const index of targets.keys()) {
        const target = targets[(index + round) % targets.length]
        if (target)
          results
            .get(target.name)
            ?.get(connections)
            ?.push(await sample(target, connections, plan.seconds))
      }
    }
  }
  return results
}

/** The proxies get one core, this process and the MCP server another one, if there are two and `taskset` can say so. */
function cores(): { proxyCore: number | undefined; restCore: number | undefined } {
  const nowhere = { proxyCore: undefined, restCore: undefined }
  if (availableParallelism() < 2) return nowhere
  try {
    execFileSync('taskset', ['-a', '-c', '-p', '1', String(process.pid)], { stdio: 'ignore' })
    return { proxyCore: 0, restCore: 1 }
  } catch {
    say('taskset is not available: nothing is pinned to a core')
    return nowhere
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
