import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DocumentServer, startDocumentServer } from '../fixtures/document-server.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import type { Seen } from './golden-client.ts'
import { GOLDEN_CLIENTS } from './golden-clients.ts'
import { replay, type Scene } from './replay.ts'

let server: PlainServer
let documents: DocumentServer
let gateway: TestGateway
let scene: Scene

beforeAll(async () => {
  server = await startPlainServer((_, response) => void response.end('{}'))
  documents = await startDocumentServer()
  const route = { upstream: server.url, sign_in: 'home' }
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': route, '/other': route },
    clients: { metadata_documents: { enabled: true, allow_hosts: [new URL(documents.origin).host, 'localhost'] } },
  })
  scene = { issuer: gateway.issuer, url: `${gateway.issuer}/mcp`, documents, person: ALICE }
})

afterAll(async () => {
  await gateway?.close()
  await documents?.close()
  await server?.close()
})

const CASES = GOLDEN_CLIENTS.flatMap((client) =>
  client.registrations.map((registration) => ({
    client,
    registration,
    title: `${client.name}, ${registration.way === 'dynamic' ? 'registered' : 'by its metadata document'}, at ${registration.redirectUri}`,
  })),
)

describe.each(CASES)('$title', ({ client, registration }) => {
  let seen: Seen

  it('goes from its first request to a call after a refresh (R-49)', async () => {
    seen = await replay(client, registration, scene)
    expect(seen.refreshed.access_token).not.toBe(seen.token.access_token)
  })

  const quirks = client.quirks.filter(({ only }) => only === undefined || only === registration.way)
  it.each(quirks.map((quirk) => [quirk.says, quirk.holds] as const))('%s', async (_, holds) => {
    await holds(seen)
  })
})
