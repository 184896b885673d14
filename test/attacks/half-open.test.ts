import { existsSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { expect, it } from 'vitest'
import { startTestGateway } from '../fixtures/gateway.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { startPlainServer } from '../fixtures/plain-server.ts'

/** The kernel's table of TCP connections (proc(5)). */
const TABLE = '/proc/self/net/tcp'
const ESTABLISHED = '01'
/** `timer_active` of a connection that is idle and is asked from time to time whether its peer is still there. */
const KEEP_ALIVE = '02'
const TICKS_PER_SECOND = 100

/** Connections of this machine that are open, with the end of their timer. */
function connections() {
  const [, ...lines] = readFileSync(TABLE, 'utf8').trim().split('\n')
  return lines.flatMap((line) => {
    const [, local = '', remote = '', state, , timer = ''] = line.trim().split(/\s+/)
    const port = (address: string) => Number.parseInt(address.split(':')[1] ?? '', 16)
    const [kind, ticks = ''] = timer.split(':')
    const seconds = Number.parseInt(ticks, 16) / TICKS_PER_SECOND
    return state === ESTABLISHED ? [{ local: port(local), remote: port(remote), kind, seconds }] : []
  })
}

it.runIf(existsSync(TABLE))(
  'peers of a quiet stream that vanish without a word are noticed within two minutes, on both sides (C34)',
  async () => {
    const quiet: ServerResponse[] = []
    const server = await startPlainServer((_request, response) => {
      quiet.push(response)
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    })
    const gateway = await startTestGateway({
      providers: await passwordProviders(),
      routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
    })
    const client = await registerClient(gateway.issuer)
    const { access_token } = await client.obtain(`${gateway.issuer}/mcp`, ALICE)
    const leaving = new AbortController()
    const stream = await callMcp(`${gateway.issuer}/mcp`, access_token, {
      method: 'GET',
      body: null,
      signal: leaving.signal,
    })
    expect(stream.status).toBe(200)

    const from = quiet[0]?.socket?.remotePort
    const [gatewayPort, serverPort] = [gateway.issuer, server.url].map((url) => Number(new URL(url).port))
    const isAsked = (sockets: ReturnType<typeof connections>) =>
      sockets.some(({ kind, seconds }) => kind === KEEP_ALIVE && seconds > 0 && seconds <= 110)
    const toServer = () => connections().filter(({ local, remote }) => local === from && remote === serverPort)
    const toClients = () => connections().filter(({ local }) => local === gatewayPort)
    // Once what was sent has been acknowledged, nothing else is being waited for.
    while (!isAsked(toServer()) || !isAsked(toClients())) await new Promise((resolve) => setImmediate(resolve))
    expect(toServer()).toHaveLength(1)

    leaving.abort()
    for (const response of quiet) response.end()
    await gateway.close()
    await server.close()
  },
)
