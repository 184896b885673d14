import { describe, expect, it } from 'vitest'
import type { ForwardOutcome } from '../../src/gateway/exchange.ts'
import * as messageRefusals from '../../src/gateway/message-refusals.ts'
import * as routeRefusals from '../../src/gateway/route-refusals.ts'
import { type RouteRefusal, routeRefusalBody } from '../../src/http/error-reply.ts'

const OUTCOMES: ForwardOutcome[] = [
  { kind: 'credential_refused' },
  { kind: 'not_admitted', reason: 'x' },
  { kind: 'answer_withheld' },
  { kind: 'unreachable', reason: 'x', sent: false },
  { kind: 'timed_out' },
  { kind: 'redirected', status: 302, location: undefined },
  { kind: 'body_too_large' },
  { kind: 'cut', written: false },
]

function isRefusal(value: unknown): value is RouteRefusal {
  return typeof value === 'object' && value !== null && 'status' in value && 'message' in value
}

/** Every refusal that is written down, alone or in a table. */
const REFUSALS = [
  ...[messageRefusals, routeRefusals].flatMap((module) =>
    Object.values(module).flatMap((value): RouteRefusal[] => {
      if (isRefusal(value)) return [value]
      return typeof value === 'object' ? Object.values(value).filter(isRefusal) : []
    }),
  ),
  ...(['grant_busy', 'route_busy', 'gateway_busy'] as const).map(routeRefusals.busy),
  ...OUTCOMES.flatMap((outcome) => routeRefusals.refusalFor(outcome) ?? []),
  routeRefusals.wrongMethod(['POST']),
]

describe('a refusal of our own', () => {
  it.each(REFUSALS)(
    '$status is a JSON-RPC error whose code is outside of what JSON-RPC and MCP reserve (P-83)',
    (one) => {
      const { jsonrpc, id, error } = JSON.parse(routeRefusalBody(one))
      expect([jsonrpc, id, error.message]).toEqual(['2.0', null, one.message])
      expect(error.code < -32768 || error.code > -32000).toBe(true)
    },
  )

  it('has a code of MCP only where MCP says so: headers that differ from the body (P-83, P-13)', () => {
    expect(REFUSALS.length).toBeGreaterThan(15)
    expect(JSON.parse(routeRefusalBody(messageRefusals.headerMismatch(1)))).toMatchObject({
      id: 1,
      error: { code: -32020 },
    })
  })
})
