import { describe, expect, it } from 'vitest'
import { findRouteByResource, type Route } from '../../src/domain/route.ts'

function route(resource: string): Route {
  return {
    path: new URL(resource).pathname,
    resource,
    title: 'A server',
    upstream: new URL('http://127.0.0.1:1/mcp'),
    signIn: 'corp',
    credential: { kind: 'none' },
    inject: [],
    scopes: ['mcp'],
  }
}

const ONE = route('https://gw.example/r1/mcp')
const TWO = route('https://gw.example/r2/mcp')

describe('which route a resource names (RFC 8707 §2, A-10)', () => {
  it.each([
    'https://gw.example/r1/mcp',
    'https://gw.example/r1/mcp/',
    'https://gw.example:443/r1/mcp',
    'HTTPS://GW.Example/r1/mcp',
  ])('understands %s (C14)', (resource) => expect(findRouteByResource([ONE, TWO], resource)).toBe(ONE))

  it.each([
    'https://gw.example/r1/mcp2',
    'https://gw.example/r1/mcpx',
    'https://gw.example/R1/mcp',
    'https://gw.example/r1/MCP',
    'https://gw.example/r1',
    'https://gw.example/r1/',
    'https://gw.example/r1/mcp//',
    'https://gw.example//r1/mcp',
    'https://gw.example/r1/../r1/mcp',
    'https://gw.example/r1%2fmcp',
    'https://gw.example/%721/mcp',
    'https://gw.example/r1/mcp#',
    'https://gw.example/r1/mcp#x',
    'https://gw.example/r1/mcp?x=1',
    'https://gw.example/r1/mcp?',
    'https://gw.example:8443/r1/mcp',
    'https://gw.example:80/r1/mcp',
    'http://gw.example/r1/mcp',
    'https://gw.example./r1/mcp',
    'https://user@gw.example/r1/mcp',
    'https://evil.example/r1/mcp',
    'https://gw.example.evil/r1/mcp',
    '/r1/mcp',
    'r1/mcp',
    'urn:x',
    ' https://gw.example/r1/mcp',
    'https://gw.example/r1/mcp ',
    'https:/gw.example/r1/mcp',
    '',
  ])('does not take %j for /r1/mcp (B181)', (resource) =>
    expect(findRouteByResource([ONE, TWO], resource)).toBeUndefined(),
  )

  it.each(['https://gw.example', 'https://gw.example/', 'https://gw.example:443/'])(
    'takes the origin %s for the only route, and for none of several (B185)',
    (resource) => {
      expect(findRouteByResource([ONE], resource)).toBe(ONE)
      expect(findRouteByResource([ONE, TWO], resource)).toBeUndefined()
    },
  )

  it('compares the port of an http loopback gateway', () => {
    const local = route('http://127.0.0.1:8080/r1/mcp')
    expect(findRouteByResource([local], 'http://127.0.0.1:8080/r1/mcp')).toBe(local)
    for (const other of ['http://127.0.0.1/r1/mcp', 'http://127.0.0.1:8081/r1/mcp', 'http://localhost:8080/r1/mcp'])
      expect(findRouteByResource([local], other)).toBeUndefined()
  })
})
