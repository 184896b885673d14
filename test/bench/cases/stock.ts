import type { Case } from '../case.ts'
import { startNode } from '../child.ts'
import { SAME_TOKEN } from './token-check.ts'

/** @fastify/http-proxy as it comes, with the same token check in front. */
export const stock: Case = {
  name: 'stock',
  title: 'stock @fastify/http-proxy',
  async start({ upstreamPort, proxyCore, keep }) {
    const upstream = `http://127.0.0.1:${upstreamPort}`
    const proxy = await startNode(new URL('stock-process.ts', import.meta.url), [upstream, SAME_TOKEN], proxyCore)
    keep(proxy)
    return { url: `http://127.0.0.1:${proxy.port}/bench`, tokens: [SAME_TOKEN], proxy }
  },
}
