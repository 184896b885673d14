import { expect, it } from 'vitest'
import { underAttack } from './oracles.ts'
import { rawRequests } from './raw-requests.ts'

const gateway = underAttack()
const { post } = rawRequests(gateway)

/** What the MCP servers saw. */
function targets(): string[] {
  return gateway.rig.forwarded.map(({ server, url }) => `${server} ${url}`)
}

it.each(['/r1/mcp', '/r1/mcp/', '/r1/mcp?', '/r1/mcp?a=b&c'])(
  'B220 the positive twin: %s is route one',
  async (target) => {
    expect(await post(target)).toEqual([200])
    expect(targets()).toEqual([`one /internal/mcp${target.includes('?a') ? '?a=b&c' : ''}`])
  },
)

it.each<[string, string]>([
  ['B215', '/r1/mcp/../../r2/mcp'],
  ['B215', '/r1/../r2/mcp'],
  ['B215', '/./r1/mcp'],
  ['B215', '/r1/mcp/.'],
  ['B215', '/r1/mcp/..'],
  ['B215', '/r1/./mcp'],
  ['B215', '/../r1/mcp'],
  ['B217', '/r1/%252e%252e%252fr2/mcp'],
  ['B217', '/r1/mcp/%25%32%65%25%32%65/admin'],
  ['B217', '/r1%252fmcp'],
  ['B218', '/r1\\..\\r2\\mcp'],
  ['B218', '/r1/mcp%5c..%5cadmin'],
  ['B218', '\\r1\\mcp'],
  ['B220', '//r1/mcp'],
  ['B220', '//r2/mcp'],
  ['B220', '/r1//mcp'],
  ['B220', '///r1/mcp'],
  ['B220', '/r1/mcp//'],
  ['B221', '/r1%2fmcp'],
  ['B221', '/r1%2Fmcp'],
  ['B221', '/r1/mcp%2f'],
  ['B221', '/r1/mcp%2f..%2f..%2fr2%2fmcp'],
  ['B223', '/R1/MCP'],
  ['B223', '/r1/MCP'],
  ['B223', '/r1/mcp%20'],
  ['B223', '/r1/mcp%00'],
  ['B223', '/r1/mcp%E2%80%8B'],
  ['B223', '/r1/mcp;a=b'],
  ['B224', '/r1/mcp#/../admin'],
  ['B224', '/r1/mcp%23x'],
  ['B224', '/r1/mcp%3fx'],
  ['B226', '/r1/mcp/%2e%2e/admin'],
  ['B226', '/r1/mcp/..%2fadmin'],
  ['B226', '/r1/mcp/admin'],
  ['B226', '/internal/mcp'],
  ['B229', '/metrics'],
  ['B229', '/healthz'],
  ['B229', '/r1/mcp/.well-known/oauth-protected-resource'],
  ['B223', '/%zz'],
  ['B223', '/r1/mcp%'],
  ['B223', '/r1/mcp%c0%af'],
  ['B224', '/r1/mcp<'],
  ['B224', '/r1/mcp"'],
  ['B224', '/r1/mcp{'],
  ['B224', '*'],
  ['B224', 'r1/mcp'],
])('%s %s is nothing, and reaches nobody (P-29)', async (_, target) => {
  const [status] = await post(target)
  expect([400, 404]).toContain(status)
  expect(targets()).toEqual([])
})

it('B223 percent-encoded letters mean the same route to the guard and to the proxy, or nothing', async () => {
  const [status] = await post('/%72%31/mcp')
  expect([200, 404]).toContain(status)
  expect(targets()).toEqual(status === 200 ? ['one /internal/mcp'] : [])
  // A token for route one under an encoded name of route two: that route's own decision, a refusal.
  expect([401, 404]).toContain((await post('/%72%32/mcp'))[0])
  expect(targets().filter((target) => target.startsWith('two'))).toEqual([])
})

it.each(['?/../admin', '?x=/../../r2/mcp', '?%2e%2e/', '??', '?a=%0d%0aX:%20y', '?x=1&x=2', '?=', '?&&'])(
  'B226 the query %s stays a query of the configured path',
  async (query) => {
    expect(await post(`/r1/mcp${query}`)).toEqual([200])
    expect(targets()).toEqual([`one /internal/mcp${query}`])
  },
)

it('B227 many distinct queries reach the same MCP server', async () => {
  for (let index = 0; index < 50; index += 1) expect(await post(`/r1/mcp?n=${index}`)).toEqual([200])
  expect(new Set(gateway.rig.forwarded.map(({ server }) => server))).toEqual(new Set(['one']))
})
