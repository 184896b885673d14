import { join } from 'node:path'
import { startTokenIssuer } from '../../fixtures/token-issuer.ts'
import type { Bench, Case, Target } from '../case.ts'
import { type GatewayOptions, startGateway } from './gateway-process.ts'
import { mintTokens } from './minted-tokens.ts'

/** Each in a process of its own: code that one of them makes slow must not slow another. */
export const gateways: readonly Case[] = [
  signedIn('gateway', 'this gateway'),
  {
    name: 'uncached',
    title: 'every token looked up',
    ours: true,
    callsOnly: true,
    async start(bench) {
      const { proxy, url, databaseFile, obtainToken } = await startGateway(bench, { name: 'uncached' })
      return { proxy, url, tokens: mintTokens(databaseFile, await obtainToken()) }
    },
  },
  {
    name: 'external',
    title: 'JWT of another server',
    ours: true,
    callsOnly: true,
    async start(bench) {
      const tokens = await startTokenIssuer()
      bench.keep({ stop: () => tokens.close() })
      const audience = 'https://mcp.example.com/bench'
      const authorization = { issuers: [tokens.issuer], audience }
      const { proxy, url } = await startGateway(bench, {
        name: 'external',
        route: { sign_in: undefined, authorization },
      })
      return { proxy, url, tokens: [await tokens.issue(audience)] }
    },
  },
  {
    ...signedIn('tools', 'tool policy', () => ({
      route: { tools: { allow: ['search', 'get_*'], deny: ['*_secret*'] } },
    })),
    callsOnly: true,
  },
  {
    ...signedIn('audit', 'call audit', ({ directory }) => ({
      settings: { audit: { calls: true, destination: `file:${join(directory, 'audit.jsonl')}` } },
    })),
    callsOnly: true,
  },
]

/** The gateway of another checkout, to see what a change gave. */
export function baseline(checkout: string): Case {
  return signedIn('baseline', 'gateway to compare with', () => ({ cli: join(checkout, 'src/cli.ts') }))
}

function signedIn(name: string, title: string, options?: (bench: Bench) => Omit<GatewayOptions, 'name'>): Case {
  return {
    name,
    title,
    ours: true,
    async start(bench): Promise<Target> {
      const { proxy, url, obtainToken } = await startGateway(bench, { ...options?.(bench), name })
      return { proxy, url, tokens: [await obtainToken()] }
    },
  }
}
