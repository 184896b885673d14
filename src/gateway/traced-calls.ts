import type { Tracing } from '../tracing.ts'
import type { CallNotes, NotedRequest } from './call-notes.ts'

/** Callers choose the names of methods and tools; more than this of one is not kept. */
const MAX_NAME_LENGTH = 128

/** `calls` that also say in the span of the request what it calls; only where messages are read anyway. */
export function tracedCalls(calls: CallNotes, tracing: Tracing): CallNotes {
  function name({ messages }: NotedRequest): void {
    const operation = messages.length === 1 ? messages[0]?.operation : undefined
    if (!operation) return
    const span = tracing.current()
    span?.set('mcp.method.name', operation.method.slice(0, MAX_NAME_LENGTH))
    if (operation.tool !== undefined) span?.set('gen_ai.tool.name', operation.tool.slice(0, MAX_NAME_LENGTH))
  }
  return {
    ...calls,
    begun(noted) {
      name(noted)
      calls.begun(noted)
    },
    refused(noted, ...why) {
      name(noted)
      calls.refused(noted, ...why)
    },
  }
}
