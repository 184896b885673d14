import { isUtf8 } from 'node:buffer'
import type { Message } from '../domain/message.ts'
import { filterToolLists } from '../domain/tool-list.ts'
import { decideOperations, type MessageRules } from '../domain/tool-policy.ts'
import type { StreamRewrite } from './endpoint-event.ts'
import { eventFilter } from './event-filter.ts'
import type { ServerHeaders } from './exchange.ts'
import { isEventStream } from './headers.ts'

/** What the client is to get of an answer that may hold a list of tools. Unreadable answers are never passed on. */
export interface AnswerFilter {
  /** For an event stream. */
  readonly events: StreamRewrite
  /**
   * For an answer with this status and these headers: what to make of its body once it is complete (undefined again: the
   * client gets nothing of it), undefined when it can be passed on as it comes, `withhold` when it cannot be read.
   */
  whole(status: number, headers: ServerHeaders): ((body: Buffer) => Buffer | undefined) | 'withhold' | undefined
}

/**
 * Takes the tools that are denied out of the lists in an answer (P-90). Those that only need another scope stay: the user
 * can have them by a further authorization, and a client that never sees them would never ask for it. Undefined for
 * requests whose answers hold no list; a stream that is opened with GET can hold any answer.
 */
export function answerFilter(
  rules: MessageRules,
  granted: readonly string[],
  method: string | undefined,
  messages: readonly Message[],
): AnswerFilter | undefined {
  const asks = messages.some(({ operation }) => operation?.method.toLowerCase() === 'tools/list')
  if (!asks && method !== 'GET') return undefined
  const mayList = (tool: string) =>
    decideOperations(rules, granted, [{ method: 'tools/call', tool }]).outcome !== 'denied'
  return {
    events: eventFilter((data) => filterToolLists(data, mayList)),
    whole(status, headers) {
      const isStream = isEventStream(headers['content-type']?.toString())
      const isList = asks && status >= 200 && status < 300
      if ((isStream || isList) && isEncoded(headers)) return 'withhold'
      return isList && !isStream ? (body) => filterWhole(body, mayList) : undefined
    },
  }
}

/** We ask for none, so a server that compresses all the same is not one to guess about. */
function isEncoded(headers: ServerHeaders): boolean {
  const coding = headers['content-encoding']
  return coding !== undefined && coding !== 'identity'
}

/** JSON with an object or an array in it. */
const MAY_HOLD_A_MESSAGE = /[[{]/

function filterWhole(body: Buffer, mayList: (tool: string) => boolean): Buffer | undefined {
  if (body.length === 0) return body
  if (!isUtf8(body)) return undefined
  const before = body.toString('utf8')
  // The word with which servers of the old transport accept a message; its answer comes over the stream.
  if (!MAY_HOLD_A_MESSAGE.test(before)) return body
  const after = filterToolLists(before, mayList)
  if (after === undefined) return undefined
  return after === before ? body : Buffer.from(after)
}
