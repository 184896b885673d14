import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBrowser } from '../fixtures/browser.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { authorizeUrl, type KnownClient, register } from '../fixtures/oauth-requests.ts'

/** Nobody is asked anything before the consent page is answered. */
const NOWHERE = 'http://127.0.0.1:1'
const NOTICE = 'Everything is done as the account release-bot.'
const SHARED = 'Everybody who uses this server acts as the same account there.'
const CREDENTIALS = {
  none: { kind: 'none' },
  static: { kind: 'static', value: 'shared-key-of-all', notice: NOTICE },
  'user-pat': { kind: 'user-pat', label: 'GitHub token' },
  'provider-token': { kind: 'provider-token' },
  'token-exchange': { kind: 'token-exchange', audience: 'wiki' },
  'signed-jwt': { kind: 'signed-jwt' },
} as const

describe('what the consent page says that the server gets (A-42)', () => {
  let gateway: TestGateway
  let client: KnownClient

  beforeAll(async () => {
    gateway = await startTestGateway({
      providers: { corp: { type: 'oidc', issuer: NOWHERE, client_id: 'gatehouse' } },
      routes: Object.fromEntries(
        Object.entries(CREDENTIALS).map(([kind, credential]) => [
          `/${kind}`,
          { upstream: `${NOWHERE}/mcp`, sign_in: 'corp', credential },
        ]),
      ),
    })
    client = await register(gateway.issuer)
  })
  afterAll(() => gateway?.close())

  async function consentFor(kind: string): Promise<string> {
    const resource = `${gateway.issuer}/${kind}`
    return (await createBrowser().get(authorizeUrl(gateway.issuer, client, { resource }))).body
  }

  it.each([
    ['none', 'no credential'],
    ['static', 'a shared credential that your administrator configured'],
    ['user-pat', 'your own GitHub token, which you are asked for next'],
    ['provider-token', 'your access token from corp'],
    ['token-exchange', 'a token that corp issues for this server in your name'],
    ['signed-jwt', 'your name, e-mail address and groups, in a statement signed by this gateway'],
  ])('is for %s: %s', async (kind, words) => {
    expect(await consentFor(kind)).toContain(words)
  })

  it('is of a shared account alone that it is shared, with what the operator adds, and never the key (U-15)', async () => {
    const shared = await consentFor('static')
    expect(shared).toContain(SHARED)
    expect(shared).toContain(NOTICE)
    expect(shared).not.toContain('shared-key-of-all')
    for (const kind of Object.keys(CREDENTIALS).filter((one) => one !== 'static'))
      expect(await consentFor(kind)).not.toContain(SHARED)
  })
})
