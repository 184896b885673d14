import httpProxy from '@fastify/http-proxy'
import fastify from 'fastify'
import { announce } from '../child.ts'
import { tokenCheck } from './token-check.ts'

/** @fastify/http-proxy as it comes, with the token check in front: `node stock-process.ts UPSTREAM TOKEN`. */
const [upstream = '', token = ''] = process.argv.slice(2)
const passes = tokenCheck(token)
const app = fastify()
await app.register(httpProxy, {
  upstream,
  prefix: '/bench',
  rewritePrefix: '/mcp',
  // Each open stream takes one, and 128 is the default.
  undici: { connections: 10_000 },
  preHandler: async (request, reply) => {
    if (!passes(request.headers.authorization)) await reply.code(401).send()
  },
  replyOptions: {
    rewriteRequestHeaders: (_request, headers) => ({ ...headers, authorization: 'Bearer upstream-credential' }),
  },
})
await app.listen({ host: '127.0.0.1', port: 0 })
announce(app.server)
