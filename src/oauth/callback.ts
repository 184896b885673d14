import type { FastifyReply, FastifyRequest } from 'fastify'
import { parseParameters, single } from '../domain/request-parameters.ts'
import { isFramedOrPrefetched } from '../http/browser-proof.ts'
import { rawQuery } from '../http/query.ts'
import { showProblem } from './answer.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { burn, calledProvider, concludeSignIn, findSignIn, finishSignIn } from './conclude-sign-in.ts'
import { takeInteraction } from './interactions.ts'
import { showSignIn } from './sign-in.ts'

/**
 * `GET /callback/:provider` (RFC 6749 §4.1.2): the browser is back from the provider. State and cookie must both be
 * those of the approval, and both are good once; whatever fails, the provider's code is not redeemed.
 */
export function callbackEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    if (isFramedOrPrefetched(request)) return showProblem(request, reply, 403, UNEXPECTED)
    const provider = calledProvider(server, request)
    const query = parseParameters(rawQuery(request.url))
    const state = query.ok ? single(query.value, 'state') : undefined
    const held = provider && state !== undefined ? await findSignIn(server, provider, state) : undefined
    if (!provider || state === undefined || !held) return showProblem(request, reply, 400, UNEXPECTED)

    if (!server.browserProof.isBound(request, held.id, held.interaction.browserHash))
      return burn(server, request, reply, held)
    if (provider.entry === 'form') return showSignIn(server, reply, held, state, { failed: false })

    if (!(await takeInteraction(server, held))) return showProblem(request, reply, 400, UNEXPECTED)
    server.failpoint?.('callback.taken')
    server.browserProof.release(reply, held.id)
    const outcome = await finishSignIn(server, held, {
      url: new URL(`${server.issuer}/callback/${provider.name}?${rawQuery(request.url)}`),
      state,
    })
    server.failpoint?.('callback.exchanged')
    return concludeSignIn(server, request, reply, held, outcome)
  }
}

const UNEXPECTED = {
  title: 'This sign-in has ended',
  what: 'This address belongs to a sign-in that was finished, is too old, or was never begun.',
  next: 'Close this window and start again from the application.',
}
