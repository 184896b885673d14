import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ConformanceServer, startConformanceServer } from '../fixtures/conformance-server/server.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type McpServerProcess, startEverything } from '../fixtures/mcp-servers.ts'
import { obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { startTokenAdder, type TokenAdder } from '../fixtures/token-adder.ts'
import { sendOnWire } from '../fixtures/wire.ts'
import { type Check, runServerSuite } from './server-suite.ts'

/** For two runs of the suite, side by side. */
const RUN_MS = 90_000

/** A check whose result differs through the gateway, and why the gateway is right. */
interface Difference {
  readonly check: string
  readonly direct: Check['status']
  readonly through: Check['status']
  readonly reason: string
}

/** At server-everything; at our own server, which does what the revisions ask for, there is no difference. */
const AT_SERVER_EVERYTHING: readonly Difference[] = [
  {
    check: 'dns-rebinding-protection / localhost-host-rebinding-rejected / DNSRebindingRejected',
    direct: 'FAILURE',
    through: 'SUCCESS',
    reason:
      'it answers under any name; the gateway refuses a foreign Host by itself, before it looks at the token (P-02)',
  },
  {
    check: 'server-session-lifecycle / server-session-terminated-returns-404 / SessionTerminatedReturns404',
    direct: 'FAILURE',
    through: 'SUCCESS',
    reason:
      'it answers 400 for a session that it has ended; the gateway has forgotten it by then and says 404 (P-43, P-46)',
  },
]

interface Protected {
  readonly direct: string
  readonly through: TokenAdder
}

let own: ConformanceServer
let everything: McpServerProcess
let gateway: TestGateway
let ownServer: Protected
let everythingServer: Protected

beforeAll(async () => {
  own = await startConformanceServer()
  everything = await startEverything()
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: {
      '/own': { upstream: own.url, sign_in: 'home' },
      '/everything': { upstream: everything.url, sign_in: 'home' },
    },
  })
  ownServer = { direct: own.url, through: await protect('/own') }
  everythingServer = { direct: everything.url, through: await protect('/everything') }
})

afterAll(async () => {
  for (const one of [ownServer?.through, everythingServer?.through, gateway, everything, own]) await one?.close()
})

async function protect(path: string): Promise<TokenAdder> {
  const resource = gateway.issuer + path
  const { accessToken } = await obtainTokens(gateway.issuer, await register(gateway.issuer), { resource }, ALICE)
  return startTokenAdder(resource, accessToken)
}

function title({ scenario, id, name }: Check): string {
  return `${scenario} / ${id} / ${name}`
}

function count(checks: readonly Check[], status: Check['status']): number {
  return checks.filter((check) => check.status === status).length
}

/**
 * Runs the suite both ways and compares check by check, in the suite's own order: the same, or exactly the differences
 * that are explained. The words of a failure are the server's own and say more than is needed here.
 */
async function compare({ direct, through }: Protected, revision: string, differences: readonly Difference[] = []) {
  const [plain, guarded] = await Promise.all([runServerSuite(direct, revision), runServerSuite(through.url, revision)])
  const expected = plain.checks.map((check) => {
    const difference = differences.find((one) => one.check === title(check) && one.direct === check.status)
    return `${title(check)}: ${difference?.through ?? check.status}`
  })
  expect(
    guarded.checks.map((check) => `${title(check)}: ${check.status}`),
    guarded.output,
  ).toEqual(expected)
  return { direct: plain.checks, through: guarded.checks }
}

describe('the official conformance suite, as a client of MCP servers', () => {
  it('finds the same at our own server on the stateful wire, direct and through the gateway: it all works (2025-11-25)', {
    timeout: RUN_MS,
  }, async () => {
    const { direct, through } = await compare(ownServer, '2025-11-25')
    expect(count(direct, 'SUCCESS')).toBeGreaterThanOrEqual(84)
    for (const checks of [direct, through])
      for (const status of ['FAILURE', 'WARNING', 'SKIPPED'] as const) expect(count(checks, status)).toBe(0)
    expect(new Set(direct.map(({ scenario }) => scenario))).toContain('server-sse-polling')
  })

  it('finds the same at our own server on the stateless wire, direct and through the gateway: it all works (2026-07-28, P-80, P-91)', {
    timeout: RUN_MS,
  }, async () => {
    const { direct, through } = await compare(ownServer, '2026-07-28')
    expect(count(direct, 'SUCCESS')).toBeGreaterThanOrEqual(152)
    for (const checks of [direct, through])
      for (const status of ['FAILURE', 'WARNING', 'SKIPPED'] as const) expect(count(checks, status)).toBe(0)
    expect(new Set(direct.map(({ scenario }) => scenario))).toContain('server-stateless')
  })

  it('finds the same at server-everything, but for two faults that the gateway does not share (2025-11-25)', {
    timeout: RUN_MS,
  }, async () => {
    const { direct } = await compare(everythingServer, '2025-11-25', AT_SERVER_EVERYTHING)
    // It knows none of the tools, prompts and resources that the suite asks for by name; all else works.
    expect(count(direct, 'SUCCESS')).toBeGreaterThan(direct.length / 2)
    for (const { check, direct: status } of AT_SERVER_EVERYTHING)
      expect(direct.map((one) => `${title(one)}: ${one.status}`)).toContain(`${check}: ${status}`)
  })
})

describe('the proxy that adds the token', () => {
  const ask = (headers: Record<string, string>) =>
    sendOnWire(ownServer.through.url, {
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      body: Buffer.from(INITIALIZE),
    })

  it('leaves it to the gateway to refuse a rebound name, by Host and by Origin (P-01, P-02)', async () => {
    const { host } = new URL(ownServer.through.url)
    const evil = 'evil.example.com'
    const answers = await Promise.all([
      ask({ host: evil, origin: `http://${evil}` }),
      ask({ host: evil }),
      ask({ origin: `http://${evil}` }),
      ask({ host, origin: `http://${host}` }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([421, 421, 403, 200])
    // Only the gateway names its requests: each of these answers is its own, or went through it.
    for (const { headers } of answers) expect(headers.map(([name]) => name)).toContain('x-request-id')
  })
})

const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
})
