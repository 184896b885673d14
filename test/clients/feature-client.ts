import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client as FormerClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as FormerTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'

/** An official client that answers what servers ask and notes what they say without being asked. */
export interface FeatureClient {
  /** The text of the tool's first content; rejects when the tool failed or `signal` was aborted. */
  callTool(name: string, parameters?: Record<string, unknown>, options?: CallOptions): Promise<string>
  /** Resolves when the server will be heard: about its tools and prompts, and about the resource `uri`. */
  subscribe(uri: string): Promise<void>
  /** No longer about the resource; on the stateless wire about nothing any more. */
  unsubscribe(uri: string): Promise<void>
  /** Resolves when the server has said `what`, such as `tools/list_changed`, since the last time it was waited for. */
  heard(what: string): Promise<void>
  /** What the server has said that nobody has waited for. */
  readonly unheard: readonly string[]
  /** Every HTTP request as `GET last-event-id=3 200`. */
  readonly requests: readonly string[]
  close(): Promise<void>
}

/** Options of a call. */
export interface CallOptions {
  readonly onprogress?: (progress: { readonly progress: number }) => void
  readonly signal?: AbortSignal
}

/** Connects as `name` with `token`. `name` stands in all that the client says, so that mixed-up answers show. */
export type ConnectFeatureClient = (url: string, token: string, name: string) => Promise<FeatureClient>

const CAPABILITIES = { sampling: {}, elicitation: {}, roots: {} }

/** `@modelcontextprotocol/sdk` 1.x, which speaks the stateful wire alone. */
export const connectFormer: ConnectFeatureClient = async (url, token, name) => {
  const { requests, fetch, stream } = observedFetch()
  const events = createEvents()
  const client = new FormerClient({ name, version: '1.0.0' }, { capabilities: CAPABILITIES })
  const answers = answersOf(name)
  client.setRequestHandler(CreateMessageRequestSchema, answers.sampling)
  client.setRequestHandler(ElicitRequestSchema, answers.elicitation)
  client.setRequestHandler(ListRootsRequestSchema, answers.roots)
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => events.say('tools/list_changed'))
  client.setNotificationHandler(PromptListChangedNotificationSchema, () => events.say('prompts/list_changed'))
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => events.say(`updated ${params.uri}`))
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => events.say(`log ${params.data}`))
  // The SDK's own types disagree under exactOptionalPropertyTypes.
  await client.connect(new FormerTransport(new URL(url), { requestInit: bearer(token), fetch }) as never)
  return {
    callTool: async (tool, parameters = {}, options = {}) =>
      textOf(await client.callTool({ name: tool, arguments: parameters }, undefined, options)),
    async subscribe(uri) {
      await stream
      await client.subscribeResource({ uri })
    },
    unsubscribe: async (uri) => void (await client.unsubscribeResource({ uri })),
    heard: events.heard,
    unheard: events.said,
    requests,
    close: () => client.close(),
  }
}

/** `@modelcontextprotocol/client` 2.x on one of its wires. */
export function connectModern(mode: 'legacy' | { readonly pin: string }): ConnectFeatureClient {
  return async (url, token, name) => {
    const { requests, fetch, stream } = observedFetch()
    const events = createEvents()
    const client = new ModernClient(
      { name, version: '1.0.0' },
      { capabilities: CAPABILITIES, versionNegotiation: { mode } },
    )
    const answers = answersOf(name)
    client.setRequestHandler('sampling/createMessage', answers.sampling)
    client.setRequestHandler('elicitation/create', answers.elicitation)
    client.setRequestHandler('roots/list', answers.roots)
    client.setNotificationHandler('notifications/tools/list_changed', () => events.say('tools/list_changed'))
    client.setNotificationHandler('notifications/prompts/list_changed', () => events.say('prompts/list_changed'))
    client.setNotificationHandler('notifications/resources/updated', ({ params }) =>
      events.say(`updated ${params.uri}`),
    )
    client.setNotificationHandler('notifications/message', ({ params }) => events.say(`log ${params.data}`))
    await client.connect(new ModernTransport(new URL(url), { requestInit: bearer(token), fetch }))
    let subscription: { close(): Promise<void> } | undefined
    return {
      callTool: async (tool, parameters = {}, options = {}) =>
        textOf(await client.callTool({ name: tool, arguments: parameters }, options)),
      async subscribe(uri) {
        if (mode === 'legacy') {
          await stream
          await client.subscribeResource({ uri })
          return
        }
        const filter = { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: [uri] }
        subscription = await client.listen(filter)
      },
      async unsubscribe(uri) {
        if (mode === 'legacy') await client.unsubscribeResource({ uri })
        else await subscription?.close()
      },
      heard: events.heard,
      unheard: events.said,
      requests,
      close: () => client.close(),
    }
  }
}

/** What the client called `name` answers to a server that asks. */
function answersOf(name: string) {
  return {
    sampling: async () => ({
      role: 'assistant' as const,
      content: { type: 'text' as const, text: `thought by ${name}` },
      model: 'none',
    }),
    elicitation: async () => ({ action: 'accept' as const, content: { username: name, email: `${name}@example.com` } }),
    roots: async () => ({ roots: [{ uri: `file:///home/${name}` }] }),
  }
}

function createEvents() {
  const said: string[] = []
  let wake = () => {}
  return {
    said,
    say(what: string) {
      said.push(what)
      wake()
    },
    async heard(what: string) {
      while (!said.includes(what))
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      said.splice(said.indexOf(what), 1)
    },
  }
}

function observedFetch() {
  const requests: string[] = []
  const open = Promise.withResolvers<void>()
  return {
    requests,
    /** Resolves when a GET stream is open. */
    stream: open.promise,
    async fetch(input: string | URL, init?: RequestInit): Promise<Response> {
      const method = init?.method ?? 'GET'
      const resumed = new Headers(init?.headers).get('last-event-id')
      const response = await fetch(input, init)
      requests.push(`${method}${resumed === null ? '' : ` last-event-id=${resumed}`} ${response.status}`)
      if (method === 'GET' && response.ok) open.resolve()
      return response
    },
  }
}

function bearer(token: string) {
  return { headers: { authorization: `Bearer ${token}` } }
}

function textOf(result: unknown): string {
  const { content, isError } = result as { content: { text?: string }[]; isError?: boolean }
  const text = content[0]?.text ?? ''
  if (isError) throw new Error(text)
  return text
}
