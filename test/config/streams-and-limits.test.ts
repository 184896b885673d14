import { describe, expect, it } from 'vitest'
import { BASE, configOf, problemsOf } from './base.ts'

/** The base file with lines below the route /notes. */
function notes(lines: string): string {
  return BASE.replace('  /notes:\n', `  /notes:\n    ${lines}\n`)
}

describe('what a route says about its streams', () => {
  it('is nothing by default: streamable HTTP, and nothing is ever added to a stream (P-62)', () => {
    for (const route of configOf(BASE).routes) {
      expect(route).not.toHaveProperty('transport')
      expect(route).not.toHaveProperty('keepAliveMs')
    }
  })

  it('is a duration of silence before a comment, and the old transport (P-62, P-100)', () => {
    const [, , route] = configOf(notes('keep_alive: 25s\n    transport: sse')).routes
    expect(route).toMatchObject({ path: '/notes', keepAliveMs: 25_000, transport: 'sse' })
    expect(configOf(notes('transport: streamable-http')).routes[2]).not.toHaveProperty('transport')
  })

  it.each(['keep_alive: 0s', 'keep_alive: 2h', 'keep_alive: 25', 'transport: websocket'])('refuses %s', (line) => {
    const [key] = line.split(':')
    expect(problemsOf(notes(line))).toMatchObject([{ path: `routes./notes.${key}` }])
  })

  it('cannot take the path of another route for the messages of the old transport (P-101)', () => {
    const clash = notes('transport: sse').replace('  /wiki:', '  /notes/Messages:')
    expect(problemsOf(clash)).toMatchObject([{ path: 'routes./notes.transport' }])
    expect(configOf(BASE.replace('  /wiki:', '  /notes/Messages:')).routes).toHaveLength(3)
  })
})

describe('limits on what one caller may use up', () => {
  it('on requests a minute are absent by default and can be set, for each user and for each client (X-17)', () => {
    expect(configOf(BASE).limits).not.toHaveProperty('requestsPerUser')
    expect(configOf(BASE).limits).not.toHaveProperty('requestsPerClient')
    expect(configOf(BASE).limits).not.toHaveProperty('concurrent')
    expect(configOf(`${BASE}limits: { concurrent: 7 }\n`).limits.concurrent).toBe(7)
    const limits = 'limits: { requests_per_user: 600, requests_per_client: 6000 }\n'
    expect(configOf(BASE + limits).limits).toMatchObject({ requestsPerUser: 600, requestsPerClient: 6000 })
  })

  it('are generous by default (P-20, P-64)', () => {
    expect(configOf(BASE).limits).toMatchObject({
      concurrentPerGrant: 1000,
      concurrentPerRoute: 10_000,
      bodyBytes: 32 * 1024 * 1024,
    })
  })

  it('can be set', () => {
    const limits = 'limits: { concurrent_per_grant: 8, concurrent_per_route: 64, body_bytes: 65536 }\n'
    expect(configOf(BASE + limits).limits).toMatchObject({
      concurrentPerGrant: 8,
      concurrentPerRoute: 64,
      bodyBytes: 65_536,
    })
  })

  it.each([
    ['concurrent: 0', 'is less than 1'],
    ['concurrent_per_grant: -1', 'is less than 1'],
    ['concurrent_per_route: 1.5', 'must be a whole number'],
    ['concurrent_per_grant: many', 'must be a number'],
    ['pages: "600"', 'must be a number'],
    ['pages:', 'is empty'],
    ['body_bytes: 65535', 'is less than 65536'],
    ['body_bytes: 10MB', 'must be a number'],
    ['requests_per_user: 0', 'is less than 1'],
    ['requests_per_client: 1000001', 'is more than 1000000'],
  ])('refuse %s: %s', (line, problem) => {
    const [key] = line.split(':')
    const fix = expect.stringMatching(`^write for example ${key}: [0-9]+$`)
    expect(problemsOf(`${BASE}limits: { ${line} }\n`)).toMatchObject([{ path: `limits.${key}`, problem, fix }])
  })
})
