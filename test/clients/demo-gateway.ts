import { startDemoMcpServer } from '../../src/demo/mcp-server.ts'
import { Secret } from '../../src/domain/secret.ts'
import { type GatewayYaml, startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { passwordProviders } from '../fixtures/password-provider.ts'

/** A gateway in front of the demo's MCP server, which only lets in who has its personal access token. */
export interface DemoGateway {
  readonly gateway: TestGateway
  /** What users configure: the MCP URL. */
  readonly url: string
  /** What the tool `whoami` reports for the credential that the gateway injects. */
  readonly fingerprint: string
  close(): Promise<void>
}

/** The credential that the demo's MCP server gets. */
const PERSONAL_ACCESS_TOKEN = 'demo_pat_of_the_client_tests'

/** Starts both on ephemeral ports; sign-in is alice's password. `more` goes into gateway.yaml. */
export async function startDemoGateway(more: GatewayYaml = {}): Promise<DemoGateway> {
  const server = await startDemoMcpServer({ personalAccessToken: new Secret(PERSONAL_ACCESS_TOKEN) })
  const providers = await passwordProviders()
  const gateway = await startTestGateway({
    providers,
    routes: {
      '/mcp': {
        title: 'Demo',
        upstream: server.url,
        sign_in: 'home',
        credential: { kind: 'static', value: PERSONAL_ACCESS_TOKEN },
        inject: { Authorization: 'Bearer {credential}', 'X-Gatehouse-User': '{user.sub}' },
      },
    },
    ...more,
  })
  return {
    gateway,
    url: `${gateway.issuer}/mcp`,
    fingerprint: server.fingerprint,
    async close() {
      await gateway.close()
      await server.close()
    },
  }
}
