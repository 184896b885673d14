import { depthOf, elementsAt, foldKey, type Member, membersAt } from './json-text.ts'
import { fail, ok, type Result } from './result.ts'
import type { Operation } from './tool-policy.ts'

/** What can be said of a JSON-RPC message without doubt, whoever reads it. */
export interface Message {
  /** Absent for a response. */
  readonly operation?: Operation
  /** Of a request, if it can be repeated exactly. */
  readonly id?: string | number
  readonly isRequest: boolean
  /** What `Mcp-Name` has to say of it, if anything (MCP 2026-07-28, SEP-2663). */
  readonly name?: string
  /** The protocol version in its `_meta`. */
  readonly version?: string
  /** `params.arguments`. */
  readonly args?: unknown
}

/** The body of a POST: one message, or a batch (MCP 2025-03-26). */
export interface ReadBody {
  readonly messages: readonly Message[]
  readonly isBatch: boolean
}

/**
 * Why a body cannot be judged: `ambiguous` ones mean different things to different parsers (B214), which is how a message
 * gets past a policy.
 */
export type Unreadable = 'not_json' | 'too_deep' | 'ambiguous' | 'not_json_rpc' | 'too_many_messages'

const MAX_DEPTH = 64
const MAX_MESSAGES = 100
const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion'

/** The messages in the text of a body. */
export function readBody(text: string): Result<ReadBody, Unreadable> {
  if (depthOf(text) > MAX_DEPTH) return fail('too_deep')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return fail('not_json')
  }
  const isBatch = Array.isArray(value)
  const values: unknown[] = Array.isArray(value) ? value : [value]
  if (values.length === 0) return fail('not_json_rpc')
  if (values.length > MAX_MESSAGES) return fail('too_many_messages')
  const starts = isBatch ? elementsAt(text, 0).map(({ start }) => start) : [0]
  const messages: Message[] = []
  for (const [index, one] of values.entries()) {
    if (!isClear(text, starts[index] ?? 0)) return fail('ambiguous')
    const message = readMessage(one)
    if (!message) return fail('not_json_rpc')
    messages.push(message)
  }
  return ok({ messages, isBatch })
}

type Parsed = Readonly<Record<string, unknown>>

/** Segments of plain characters: no server trims, decodes or normalises such a name into another one. */
const METHOD = /^[A-Za-z0-9_$.:-]+(?:\/[A-Za-z0-9_$.:-]+)*$/
const CONTROL = /\p{Cc}/u
const TOOL_CALL = 'tools/call'

function readMessage(value: unknown): Message | undefined {
  if (!isObject(value)) return undefined
  const { method, id } = value
  if (method === undefined) {
    const isResponse = Object.hasOwn(value, 'result') || Object.hasOwn(value, 'error')
    return isResponse ? { isRequest: false } : undefined
  }
  if (typeof method !== 'string' || !METHOD.test(method)) return undefined
  if (method !== TOOL_CALL && method.toLowerCase() === TOOL_CALL) return undefined
  const params = isObject(value.params) ? value.params : {}
  const operation = readOperation(method, params)
  if (!operation) return undefined
  const name = mirroredName(method, params)
  const meta = isObject(params._meta) ? params._meta[VERSION_KEY] : undefined
  return {
    operation,
    isRequest: id !== undefined,
    ...(typeof id === 'string' || (typeof id === 'number' && Number.isSafeInteger(id)) ? { id } : {}),
    ...(name === undefined ? {} : { name }),
    ...(typeof meta === 'string' ? { version: meta } : {}),
    ...(params.arguments === undefined ? {} : { args: params.arguments }),
  }
}

function readOperation(method: string, params: Parsed): Operation | undefined {
  if (method !== TOOL_CALL) return { method }
  const { name } = params
  const isName = typeof name === 'string' && name !== '' && name.isWellFormed() && !CONTROL.test(name)
  return isName ? { method, tool: name } : undefined
}

const NAMED_BY: ReadonlyMap<string, string> = new Map([
  [TOOL_CALL, 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
])

function mirroredName(method: string, params: Parsed): string | undefined {
  const source = NAMED_BY.get(method)
  const name = source === undefined ? undefined : params[source]
  return typeof name === 'string' ? name : undefined
}

const OF_MESSAGES = known('jsonrpc', 'id', 'method', 'params', 'result', 'error')
const OF_PARAMS = known('name', 'arguments', 'uri', 'taskId', '_meta')
const OF_META = known(VERSION_KEY)

/** Whether every parser finds the same in the places that are read here: the first, the last or the case-blind one. */
function isClear(text: string, at: number): boolean {
  const members = membersAt(text, at)
  if (!isUnique(members, OF_MESSAGES)) return false
  const params = startOf(members, 'params')
  if (params === undefined) return true
  const inParams = membersAt(text, params)
  if (!isUnique(inParams, OF_PARAMS)) return false
  const meta = startOf(inParams, '_meta')
  return meta === undefined || isUnique(membersAt(text, meta), OF_META)
}

function isUnique(members: readonly Member[], names: KnownNames): boolean {
  // Of a handful, looking at each is quicker than a set.
  const seen = members.length > HANDFUL ? new Set<string>() : undefined
  for (const [index, { key }] of members.entries()) {
    if (seen ? seen.has(key) : isBefore(members, index, key)) return false
    seen?.add(key)
    // Assigned to an object of a JavaScript server, `__proto__` brings all the members that it holds.
    if (!names.exact.has(key) && (key === '__proto__' || names.folded.has(foldKey(key)))) return false
  }
  return true
}

const HANDFUL = 10

function isBefore(members: readonly Member[], index: number, key: string): boolean {
  for (let at = 0; at < index; at++) if (members[at]?.key === key) return true
  return false
}

function startOf(members: readonly Member[], key: string): number | undefined {
  return members.find((member) => member.key === key)?.start
}

interface KnownNames {
  readonly exact: ReadonlySet<string>
  readonly folded: ReadonlySet<string>
}

function known(...keys: readonly string[]): KnownNames {
  return { exact: new Set(keys), folded: new Set(keys.map(foldKey)) }
}

function isObject(value: unknown): value is Parsed {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
