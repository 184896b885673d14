import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ReadBody, readBody, type Unreadable } from '../domain/message.ts'
import { agree, type MirroredHeaders } from '../domain/mirrored-headers.ts'
import { fail, type Result } from '../domain/result.ts'
import type { Route } from '../domain/route.ts'
import { decideOperations } from '../domain/tool-policy.ts'
import type { RouteRefusal } from '../http/error-reply.ts'
import type { OpenAccess } from './access-cache.ts'
import { type AnswerFilter, answerFilter } from './answer-filter.ts'
import type { CallNotes, NotedRequest } from './call-notes.ts'
import {
  BODY_TOO_LARGE,
  headerMismatch,
  insufficientScope,
  toolDenied,
  UNREADABLE,
  WRONG_MEDIA,
} from './message-refusals.ts'
import { isModern } from './protocol-era.ts'
import { announcedBytes } from './request-body.ts'
import { readWholeBody, type WholeBody } from './whole-body.ts'

/** What came of looking at a request's messages. */
export type Inspection =
  /** Forward exactly `body`, which is absent where a request has none to look at, and pass the answer through `filter`. */
  | { readonly verdict: 'passed'; readonly body?: Buffer; readonly filter?: AnswerFilter | undefined }
  | Refused
  | { readonly verdict: 'aborted' }

interface Refused {
  readonly verdict: 'refused'
  readonly reason: string
  readonly refusal: RouteRefusal
  /** Scopes that would have helped. */
  readonly missing?: readonly string[]
}

/** Judges what a request asks for, at once if its body is there. Never rejects. */
export type MessagePolicy = (
  request: FastifyRequest,
  reply: FastifyReply,
  access: OpenAccess,
) => Inspection | Promise<Inspection>

export interface MessagePolicyOptions {
  /** The issuer (RFC 8414 §2), for challenges. */
  readonly issuer: string
  readonly maxBodyBytes: number
  readonly calls: CallNotes
  /** ms since 1970. */
  readonly now: () => number
}

/** Larger messages are not judged: reading one keeps everybody else waiting. */
const MAX_INSPECTED_BYTES = 4 * 1024 * 1024

/** How much of a request is kept in memory until its answer has gone, at the most: its body may have to be sent again. */
export function bytesToInspect(request: IncomingMessage): number {
  if (request.method !== 'POST') return 0
  return Math.min(announcedBytes(request) ?? MAX_INSPECTED_BYTES, MAX_INSPECTED_BYTES)
}

/**
 * The policy of a route with `tools` or `scopes`, or where every call is noted; undefined for every other: there, no body
 * is ever looked at. A body that parsers could read in different ways is refused (B214), the rest is decided on the body
 * with the headers held against it (P-13), and what is forwarded are the very bytes that came (P-12).
 */
export function createMessagePolicy(
  route: Route,
  { issuer, maxBodyBytes, calls, now }: MessagePolicyOptions,
): MessagePolicy | undefined {
  const { rules } = route
  if (!rules && !calls.everyCall) return undefined

  function judge(request: IncomingMessage, body: ReadBody, granted: readonly string[]): Refused | undefined {
    const id = body.isBatch ? undefined : body.messages[0]?.id
    if (!agree(mirroredHeaders(request), body)) return refused('header_mismatch', headerMismatch(id))
    if (!rules) return undefined
    const operations = body.messages.flatMap(({ operation }) => operation ?? [])
    const decision = decideOperations(rules, granted, operations)
    if (decision.outcome === 'denied') return refused('tool_denied', toolDenied(id))
    if (decision.outcome === 'allowed') return undefined
    const needed = route.scopes.filter((scope) => granted.includes(scope) || decision.scopes.includes(scope))
    const refusal = insufficientScope(issuer, route, needed, id)
    return { ...refused('insufficient_scope', refusal), missing: decision.scopes }
  }

  function inspect(body: WholeBody, asked: Asked): Inspection {
    if (body === 'aborted') return { verdict: 'aborted' }
    if (body === 'too_large') return refused('body_too_large', BODY_TOO_LARGE)
    const read = readBytes(body)
    if (!read.ok) return refused(`body_${read.failure}`, UNREADABLE[read.failure])
    const { messages } = read.value
    const granted = asked.access.access.scopes
    const noted = { ...asked, route, messages, requestBytes: body.length }
    const refusal = judge(asked.request.raw, read.value, granted)
    if (refusal) {
      calls.refused(noted, refusal.reason, refusal.missing)
      return refusal
    }
    calls.begun(noted)
    return { verdict: 'passed', body, filter: rules && answerFilter(rules, granted, 'POST', messages) }
  }

  return (request, reply, access) => {
    if (request.method !== 'POST')
      return { verdict: 'passed', filter: rules && answerFilter(rules, access.access.scopes, request.method, []) }
    const asked = { request, reply, access, startedAt: now() }
    if (!isPlainJson(request.raw)) return refused('unsupported_media_type', WRONG_MEDIA)
    const body = readWholeBody(request.raw, Math.min(maxBodyBytes, MAX_INSPECTED_BYTES))
    return body instanceof Promise ? body.then((whole) => inspect(whole, asked)) : inspect(body, asked)
  }
}

type Asked = Pick<NotedRequest, 'request' | 'reply' | 'access' | 'startedAt'>

/** Another charset would be another text to the server: UTF-7 and UTF-16 hide what these bytes say. */
const JSON_IN_UTF8 = /^application\/json[\t ]*(?:;[\t ]*charset=("?)utf-8\1[\t ]*)?$/i

function isPlainJson(request: IncomingMessage): boolean {
  const { 'content-type': type, 'content-encoding': coding } = request.headers
  return JSON_IN_UTF8.test(type ?? '') && (coding === undefined || coding.toLowerCase() === 'identity')
}

function readBytes(body: Buffer): Result<ReadBody, Unreadable> {
  return isUtf8(body) ? readBody(body.toString('utf8')) : fail('not_json')
}

function mirroredHeaders(request: IncomingMessage): MirroredHeaders {
  const { 'mcp-protocol-version': version, 'mcp-method': method, 'mcp-name': name } = request.headers
  return {
    areRequired: isModern(request),
    version: single(version),
    method: single(method),
    name: single(name),
  }
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function refused(reason: string, refusal: RouteRefusal): Refused {
  return { verdict: 'refused', reason, refusal }
}
