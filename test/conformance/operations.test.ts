import { beforeAll, expect, it } from 'vitest'
import { ask } from '../fixtures/http-exchange.ts'
import { type Rig, startRig } from './rig.ts'

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
  return () => rig.close()
})

it.each(['/healthz', '/readyz', '/metrics'])(
  '%s is on the operations listener, and not on the public one (X-18, B229)',
  async (path) => {
    expect((await ask(`${rig.operations}${path}`)).status).toBe(200)
    expect((await ask(`${rig.issuer}${path}`)).status).toBe(404)
  },
)

it.each([
  '/',
  '/healthz?verbose',
  '/debug',
  '/admin',
  '/docs',
  '/openapi.json',
  '/.git/config',
  '/src/server.ts',
  '/dist/cli.js.map',
  '/favicon.ico',
  '/robots.txt',
])('%s is nothing on the public listener (X-18, P-23, B229)', async (path) => {
  const answer = await ask(`${rig.issuer}${path}`)
  expect([answer.status, answer.json().error]).toEqual([404, 'not_found'])
  expect(answer.headers['www-authenticate']).toBeUndefined()
})

it.each(['kube-probe/1.28', 'GoogleHC/1.0', 'ELB-HealthChecker/2.0'])(
  'a User-Agent of %s opens nothing (B205)',
  async (agent) => {
    expect((await ask(rig.one, { method: 'POST', headers: { 'user-agent': agent } })).status).toBe(401)
    expect((await ask(`${rig.issuer}/healthz`, { headers: { 'user-agent': agent } })).status).toBe(404)
  },
)

it('metrics count without naming users, clients or paths that callers chose (B266)', async () => {
  await ask(`${rig.issuer}/planted-path`)
  await ask(`${rig.issuer}/token`, {
    body: new URLSearchParams({ client_id: 'planted-client', grant_type: 'planted-grant' }),
  })
  await ask(`${rig.issuer}/token`, {
    body: new URLSearchParams({ client_id: 'static-public', grant_type: 'planted-grant' }),
  })
  const { body } = await ask(`${rig.operations}/metrics`)
  expect(body).toContain('gatehouse_token_requests_total')
  expect(body).not.toContain('planted')
})
