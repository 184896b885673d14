import type { Case } from '../case.ts'
import { startNode } from '../child.ts'
import { SAME_TOKEN } from './token-check.ts'

/** What Node and the gateway's own client cost by themselves: the floor under everything that the gateway does besides. */
export const bare: Case = {
  name: 'bare',
  title: 'node:http and our client, nothing else',
  callsOnly: true,
  async start({ upstreamPort, proxyCore, keep }) {
    const upstream = `http://127.0.0.1:${upstreamPort}`
    const proxy = await startNode(new URL('bare-process.ts', import.meta.url), [upstream, SAME_TOKEN], proxyCore)
    keep(proxy)
    return { url: `http://127.0.0.1:${proxy.port}/bench`, tokens: [SAME_TOKEN], proxy }
  },
}
