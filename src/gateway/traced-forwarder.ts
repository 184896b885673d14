import type { Tracing } from '../tracing.ts'
import type { Exchange, ForwardOutcome } from './exchange.ts'
import type { Forwarder } from './forward.ts'

/** What a caller names goes into a span only if it looks like a name. */
const NAME = /^[\w./:-]{1,128}$/

/** `forwarder` with a span for each attempt; the MCP server continues the trace. The caller's baggage passes as it came. */
export function tracedForwarder(forwarder: Forwarder, tracing: Tracing): Forwarder {
  return {
    ...forwarder,
    get open() {
      return forwarder.open
    },
    async forward(exchange) {
      const { request, upstream, headers } = exchange
      const method = request.method ?? 'GET'
      const span = tracing.call(method)
      span.set('http.request.method', method)
      span.set('server.address', upstream.hostname)
      span.set('server.port', Number(upstream.port) || (upstream.protocol === 'https:' ? 443 : 80))
      nameCall(exchange, tracing)
      const { tracestate: _, ...others } = headers
      const outcome = await forwarder.forward({ ...exchange, headers: { ...others, ...span.headers } })
      if ('status' in outcome) span.set('http.response.status_code', outcome.status)
      span.end(errorOf(outcome))
      tracing.current()?.set('gatehouse.outcome', outcome.kind)
      return outcome
    },
  }
}

/** Requests of newer revisions say in headers what they call (2026-07-28); bodies are not read for this. */
function nameCall({ request }: Exchange, tracing: Tracing): void {
  const { 'mcp-method': method, 'mcp-name': name, 'mcp-protocol-version': version } = request.headers
  const served = tracing.current()
  if (isName(method)) served?.set('mcp.method.name', method)
  if (method === 'tools/call' && isName(name)) served?.set('gen_ai.tool.name', name)
  if (isName(version)) served?.set('mcp.protocol.version', version)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value)
}

/** An answer is one, whatever its status below 500; clients that leave are no error. */
function errorOf(outcome: ForwardOutcome): string | undefined {
  if (outcome.kind === 'answered') return outcome.status >= 500 ? String(outcome.status) : undefined
  return outcome.kind === 'client_gone' || outcome.kind === 'cut' ? undefined : outcome.kind
}
