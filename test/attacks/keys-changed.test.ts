import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { newEncryptionKey } from '../../src/domain/encryption-key.ts'
import { openConsent, postDecision } from '../fixtures/consent-steps.ts'
import { type GatewayYaml, startTestGateway } from '../fixtures/gateway.ts'
import { obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'

const directory = mkdtempSync(join(tmpdir(), 'gatehouse-keys-'))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

it('B287 a sign-in that is under way goes on after a new key; without its old one it ends with a page, and begins anew', async () => {
  const base: GatewayYaml = {
    database: `sqlite:${join(directory, 'gatehouse.db')}`,
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: 'http://127.0.0.1:9/mcp', sign_in: 'home' } },
  }
  const [old, next] = [newEncryptionKey(), newEncryptionKey()].map((key) => key.reveal())
  const first = await startTestGateway({ ...base, encryption_keys: [old] })
  const { issuer } = first
  const client = await register(issuer)
  const resource = { resource: `${issuer}/mcp` }
  const opened = [await openConsent(issuer, client, resource), await openConsent(issuer, client, resource)]
  await first.close()

  const again = { ...base, public_url: issuer, listen: new URL(issuer).host }
  const second = await startTestGateway({ ...again, encryption_keys: [next, old] })
  const [kept, lost] = opened
  if (!kept || !lost) throw new Error('two pages were opened')
  expect((await postDecision(kept)).headers.location).toContain(`${issuer}/callback/home?`)
  await second.close()

  const third = await startTestGateway({ ...again, encryption_keys: [next] })
  const ended = await postDecision(lost)
  expect([ended.status >= 400 && ended.status < 500, ended.headers.location]).toEqual([true, undefined])
  expect(ended.headers['content-type']).toMatch(/^text\/html/)
  expect((await obtainTokens(issuer, client, resource, ALICE)).accessToken).toMatch(/^mgh_at_/)
  await third.close()
})
