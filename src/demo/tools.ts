import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { fromJsonSchema, McpServer, type ServerContext } from '@modelcontextprotocol/server'

const DEFAULT_SECONDS = 5
const DEFAULT_INTERVAL_MS = 500

/** What `count` takes: how long, and how often it reports. */
interface CountArguments {
  readonly seconds?: number
  readonly interval_ms?: number
}

/** How the demo server names a credential without showing it: `sha256:` and the first 12 hex digits. */
export function fingerprintOf(credential: string): string {
  return `sha256:${createHash('sha256').update(credential).digest('hex').slice(0, 12)}`
}

/** An MCP server with the demo's two tools; one instance per session, or per request where there are no sessions. */
export function createDemoTools(): McpServer {
  const server = new McpServer({ name: 'gatehouse-demo', version: '1.0.0' })
  server.registerTool(
    'whoami',
    {
      title: 'Who am I?',
      description:
        'Tells which credential reached this MCP server (as a fingerprint), for which user, in which headers.',
      annotations: { readOnlyHint: true },
    },
    (context: ServerContext) => {
      const headers = context.http?.req?.headers ?? new Headers()
      const user = headers.get('x-gatehouse-user')
      return text(
        JSON.stringify({
          credential: fingerprintOf((headers.get('authorization') ?? '').replace(/^Bearer /i, '')),
          ...(user === null ? {} : { user }),
          headers: [...headers.keys()].sort(),
        }),
      )
    },
  )
  server.registerTool(
    'count',
    {
      title: 'Count slowly',
      description: 'Counts for some seconds and streams its progress.',
      annotations: { readOnlyHint: true },
      inputSchema: fromJsonSchema<CountArguments>({
        type: 'object',
        properties: {
          seconds: { type: 'number', minimum: 0, maximum: 600, default: DEFAULT_SECONDS },
          interval_ms: { type: 'integer', minimum: 10, maximum: 60_000, default: DEFAULT_INTERVAL_MS },
        },
        additionalProperties: false,
      }),
    },
    count,
  )
  return server
}

async function count(
  { seconds = DEFAULT_SECONDS, interval_ms: intervalMs = DEFAULT_INTERVAL_MS }: CountArguments,
  context: ServerContext,
) {
  const { notify, signal, _meta: meta } = context.mcpReq
  const total = Math.ceil((seconds * 1000) / intervalMs)
  for (let progress = 1; progress <= total; progress++) {
    await delay(intervalMs, undefined, { signal })
    if (meta?.progressToken !== undefined)
      await notify({
        method: 'notifications/progress',
        params: { progressToken: meta.progressToken, progress, total, message: `${progress} of ${total}` },
      })
  }
  return text(`Counted to ${total}.`)
}

function text(value: string) {
  return { content: [{ type: 'text' as const, text: value }] }
}
