import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WATCHED } from '../fixtures/conformance-server/prompts-and-resources.ts'
import { type ConformanceServer, startConformanceServer } from '../fixtures/conformance-server/server.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { cheapHash } from '../fixtures/password-provider.ts'
import { type ConnectFeatureClient, connectFormer, connectModern, type FeatureClient } from './feature-client.ts'

const PEOPLE = ['alice', 'bob']
const PASSWORD = 'the same for everybody here'

let server: ConformanceServer
let gateway: TestGateway
const tokens = new Map<string, string>()
const connected: FeatureClient[] = []

beforeAll(async () => {
  server = await startConformanceServer()
  const users = Object.fromEntries(PEOPLE.map((name) => [name, cheapHash(PASSWORD)]))
  gateway = await startTestGateway({
    providers: { home: { type: 'password', users } },
    routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
  })
  const client = await register(gateway.issuer)
  for (const username of PEOPLE) {
    const { accessToken } = await obtainTokens(gateway.issuer, client, {}, { username, password: PASSWORD })
    tokens.set(username, accessToken)
  }
})

afterEach(async () => {
  for (const client of connected.splice(0)) await client.close()
})

afterAll(async () => {
  await gateway?.close()
  await server?.close()
})

const CLIENTS: readonly (readonly [name: string, wire: 'stateful' | 'stateless', connect: ConnectFeatureClient])[] = [
  ['sdk 1.x', 'stateful', connectFormer],
  ['client 2.x on the stateful wire', 'stateful', connectModern('legacy')],
  ['client 2.x on the stateless wire', 'stateless', connectModern({ pin: '2026-07-28' })],
]

describe.each(CLIENTS)('%s', (_name, wire, connect) => {
  async function client(name = 'alice'): Promise<FeatureClient> {
    const one = await connect(`${gateway.issuer}/mcp`, tokens.get(name) ?? '', name)
    connected.push(one)
    return one
  }

  it('is asked by the server, and its answers reach nobody else: sampling, elicitation, roots (P-19, P-84)', async () => {
    const clients = await Promise.all(PEOPLE.map(client))
    const rounds = Array.from({ length: 5 }, () => clients).flat()
    const answers = await Promise.all(
      rounds.map(async (one) => [
        await one.callTool('test_sampling', { prompt: 'What do you think?' }),
        await one.callTool('test_elicitation', { message: 'Who are you?' }),
        await one.callTool('test_input_required_result_list_roots'),
      ]),
    )
    expect(answers).toEqual(
      rounds.map((_, index) => {
        const name = PEOPLE[index % PEOPLE.length]
        return [
          `LLM response: {"type":"text","text":"thought by ${name}"}`,
          `User response: action=accept, content={"username":"${name}","email":"${name}@example.com"}`,
          `file:///home/${name}`,
        ]
      }),
    )
  })

  it('sees progress while a call runs (P-60)', async () => {
    const seen: number[] = []
    const one = await client()
    expect(await one.callTool('test_tool_with_progress', {}, { onprogress: (p) => seen.push(p.progress) })).toBe(
      'Done.',
    )
    expect(seen).toEqual([0, 50, 100])
  })

  it('cancels a call, and the server learns of it (P-65, P-66)', async () => {
    const one = await client()
    const call = `${wire} ${_name}`
    const begun = Promise.withResolvers<void>()
    const cancelling = new AbortController()
    const answer = one.callTool(
      'wait_for_cancellation',
      { call },
      { signal: cancelling.signal, onprogress: () => begun.resolve() },
    )
    answer.catch(() => undefined)
    await begun.promise
    cancelling.abort()
    await expect(answer).rejects.toThrow()
    await server.cancellation(call)
    expect(await one.callTool('test_simple_text')).toContain('simple text')
  })

  it('hears of changes that it subscribed to, over a stream that stays open (P-87)', async () => {
    const one = await client()
    await one.subscribe(WATCHED)
    for (let round = 0; round < 2; round += 1) {
      await one.callTool('test_trigger_resource_change')
      await one.heard(`updated ${WATCHED}`)
      await one.callTool('test_trigger_tool_change')
      await one.heard('tools/list_changed')
      await one.callTool('test_trigger_prompt_change')
      await one.heard('prompts/list_changed')
    }
    const streams = one.requests.filter((line) => line.startsWith('GET'))
    expect(streams).toEqual(wire === 'stateful' ? ['GET 200'] : [])

    await one.unsubscribe(WATCHED)
    await one.callTool('test_trigger_resource_change')
    if (wire === 'stateful') {
      await one.callTool('test_trigger_tool_change')
      await one.heard('tools/list_changed')
    }
    expect(one.unheard).toEqual([])
  })

  it('gets a result after the server has ended its stream early, on a later stream if there are such (P-67)', async () => {
    const one = await client()
    expect(await one.callTool('test_reconnection')).toBe('Delivered on a later stream.')
    const resumed = one.requests.filter((line) => line.includes('last-event-id'))
    expect(resumed.map((line) => line.replace(/=\S+/, ''))).toEqual(
      wire === 'stateful' ? ['GET last-event-id 200'] : [],
    )
  })
})
