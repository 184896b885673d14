import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hashPassword } from '../../../src/domain/password-hash.ts'
import { nodeOptions } from '../app-directory.ts'
import type { Bench } from '../case.ts'
import { type Child, freePort, startChild } from '../child.ts'
import { obtainToken } from './obtain-token.ts'

/** How a gateway differs from the plain one. */
export interface GatewayOptions {
  /** Names its files. */
  readonly name: string
  /** Keys of gateway.yaml, and of its only route; undefined takes one out. */
  readonly settings?: Readonly<Record<string, unknown>>
  readonly route?: Readonly<Record<string, unknown>>
  /** What to run: by default the sources of this checkout. */
  readonly cli?: string
}

/** A gateway that runs, as `gatehouse serve` starts it. */
export interface RunningGateway {
  readonly proxy: Child
  /** The address of its route. */
  readonly url: string
  readonly databaseFile: string
  /** Signs in, the whole way. */
  obtainToken(): Promise<string>
}

/** One user holds all streams of the measurement. */
const STREAMS = 10_000
const CLI = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url))

/** What starts it, and where it will be. */
export interface ConfiguredGateway {
  readonly command: readonly [string, ...string[]]
  readonly port: number
  readonly readyUrl: string
  readonly databaseFile: string
  readonly password: string
}

/** Starts a gateway on the core of proxies. */
export async function startGateway(bench: Bench, options: GatewayOptions): Promise<RunningGateway> {
  const { command, port, databaseFile, password } = await configureGateway(bench, options)
  const proxy = await startChild(command, { core: bench.proxyCore, port })
  bench.keep(proxy)
  const issuer = `http://127.0.0.1:${port}`
  const url = `${issuer}/bench`
  const user = { username: 'bench', password }
  return { proxy, url, databaseFile, obtainToken: () => obtainToken({ issuer, resource: url, user }) }
}

/** Writes its configuration. */
export async function configureGateway(bench: Bench, options: GatewayOptions): Promise<ConfiguredGateway> {
  const port = await freePort()
  const operations = `127.0.0.1:${await freePort()}`
  const password = randomBytes(12).toString('base64url')
  const databaseFile = join(bench.directory, `${options.name}.db`)
  const configuration = {
    public_url: `http://127.0.0.1:${port}`,
    listen: `127.0.0.1:${port}`,
    operations: { listen: operations },
    database: `sqlite:${databaseFile}`,
    encryption_keys: [randomBytes(32).toString('base64url')],
    providers: { home: { type: 'password', users: { bench: await hashPassword(password) } } },
    limits: { concurrent_per_grant: STREAMS, concurrent_per_route: STREAMS },
    routes: {
      '/bench': {
        upstream: `http://127.0.0.1:${bench.upstreamPort}/mcp`,
        sign_in: 'home',
        credential: { kind: 'static', value: 'upstream-credential' },
        ...options.route,
      },
    },
    ...options.settings,
  }
  // JSON is YAML.
  const file = join(bench.directory, `${options.name}.yaml`)
  writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 })
  const command = [process.execPath, ...nodeOptions(), options.cli ?? CLI, 'serve', '--config', file] as const
  return { command, port, readyUrl: `http://${operations}/readyz`, databaseFile, password }
}
