import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashPassword } from '../../../src/domain/password-hash.ts'
import type { Bench, Case, Target } from '../case.ts'
import { freePort, startChild } from '../child.ts'
import { obtainToken } from './obtain-token.ts'

const HERE = new URL('../../..', import.meta.url).pathname

/** This gateway, as `gatehouse serve` starts it, and an access token that somebody signed in for. */
export const gateway: Case = {
  name: 'gateway',
  title: 'this gateway',
  start: (bench) => startGateway(bench, { name: 'gateway' }),
}

/** The same of another checkout. */
export function baseline(checkout: string): Case {
  return {
    name: 'baseline',
    title: 'the gateway to compare with',
    start: (bench) => startGateway(bench, { name: 'baseline', checkout }),
  }
}

interface Variant {
  readonly name: string
  /** The directory that holds its src/; by default this one. */
  readonly checkout?: string
}

async function startGateway(bench: Bench, variant: Variant): Promise<Target> {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const password = randomBytes(12).toString('base64url')
  const file = join(bench.directory, `${variant.name}.yaml`)
  writeFileSync(
    file,
    `
public_url: ${issuer}
listen: 127.0.0.1:${port}
operations: { listen: 127.0.0.1:${await freePort()} }
database: sqlite:${bench.directory}/${variant.name}.db
encryption_keys: [${randomBytes(32).toString('base64url')}]
providers:
  home: { type: password, users: { bench: "${await hashPassword(password)}" } }
routes:
  /bench:
    upstream: http://127.0.0.1:${bench.upstreamPort}/mcp
    sign_in: home
    credential: { kind: static, value: upstream-credential }
`,
    { mode: 0o600 },
  )
  const cli = join(variant.checkout ?? HERE, 'src/cli.ts')
  const command = [process.execPath, cli, 'serve', '--config', file] as const
  const proxy = await startChild(command, { core: bench.proxyCore, port })
  bench.keep(proxy)
  const resource = `${issuer}/bench`
  const token = await obtainToken({ issuer, resource, username: 'bench', password })
  return { url: resource, tokens: [token], proxy }
}
