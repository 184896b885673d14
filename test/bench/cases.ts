import type { Case } from './case.ts'
import { bare } from './cases/bare.ts'
import { gateways } from './cases/gateway.ts'
import { nginx } from './cases/nginx.ts'
import { stock } from './cases/stock.ts'
import { SAME_TOKEN } from './cases/token-check.ts'
import { workers } from './cases/workers.ts'

const direct: Case = {
  name: 'direct',
  title: 'direct',
  start: async ({ upstreamPort }) => ({
    url: `http://127.0.0.1:${upstreamPort}/mcp`,
    tokens: [SAME_TOKEN],
    proxy: undefined,
  }),
}

/** All rows, in the order of the tables. */
export const CASES: readonly Case[] = [direct, nginx, bare, stock, workers, ...gateways]

export { baseline } from './cases/gateway.ts'
