import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SignInStage } from '../domain/interaction.ts'
import { single } from '../domain/request-parameters.ts'
import { Secret } from '../domain/secret.ts'
import { isSameOriginPost } from '../http/browser-proof.ts'
import { replyPage } from '../http/error-reply.ts'
import { showProblem } from './answer.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { burn, calledProvider, concludeSignIn, countSignIn, findSignIn, finishSignIn } from './conclude-sign-in.ts'
import { advanceInteraction, type HeldInteraction, takeInteraction } from './interactions.ts'
import { pageHeaders, signInPage } from './pages.ts'
import { stepsOf } from './steps.ts'

/** Wrong passwords that one sign-in may hold before it ends. */
const MAX_ATTEMPTS = 5

/** The page of a provider that has no page of its own: user name and password. */
export function showSignIn(
  server: AuthorizationServer,
  reply: FastifyReply,
  held: HeldInteraction<SignInStage>,
  state: string,
  { failed }: { readonly failed: boolean },
): FastifyReply {
  const route = server.routes.find((candidate) => candidate.path === held.interaction.routePath)
  const { interaction } = held
  const at = interaction.signedIn === undefined ? 'sign-in' : 'connect'
  const html = signInPage({
    routeTitle: route?.title ?? held.interaction.routePath,
    providerName: held.interaction.provider,
    steps: route && stepsOf(route, at, interaction.rememberedFor !== undefined),
    gatewayHost: new URL(server.issuer).host,
    form: { action: `/callback/${held.interaction.provider}`, hidden: { state } },
    failed,
  })
  return replyPage(reply, failed ? 403 : 200, html, pageHeaders())
}

/**
 * `POST /callback/:provider`: the form of a `password` provider. `state` is as unguessable here as at any provider, and
 * the cookie of the approval must come with it. Each attempt is counted before the password is looked at.
 */
export function signInEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    if (!isSameOriginPost(request, server.issuer)) return showProblem(request, reply, 403, NOT_OUR_PAGE)
    const provider = calledProvider(server, request)
    const { form } = request
    const state = form && single(form, 'state')
    if (provider?.entry !== 'form' || !form || state === undefined) return showProblem(request, reply, 400, ENDED)
    const held = await findSignIn(server, provider, state)
    if (!held) return showProblem(request, reply, 400, ENDED)
    if (!server.browserProof.isBound(request, held.id, held.interaction.browserHash))
      return burn(server, request, reply, held)

    const counted = await advanceInteraction(server, held, {
      ...held.interaction,
      attempts: held.interaction.attempts + 1,
    })
    if (!counted) return showProblem(request, reply, 400, ENDED)
    const outcome = await finishSignIn(server, held, {
      url: new URL(`${server.issuer}/callback/${provider.name}`),
      form: { username: single(form, 'username') ?? '', password: new Secret(single(form, 'password') ?? '') },
      state,
    })
    if (outcome.outcome === 'wrong_password' && counted.interaction.attempts < MAX_ATTEMPTS) {
      countSignIn(server, counted, outcome)
      return showSignIn(server, reply, counted, state, { failed: true })
    }
    if (!(await takeInteraction(server, counted))) return showProblem(request, reply, 400, ENDED)
    server.browserProof.release(reply, counted.id)
    return concludeSignIn(server, request, reply, counted, outcome)
  }
}

const ENDED = {
  title: 'This sign-in has ended',
  what: 'It was finished already, or it took longer than ten minutes.',
  next: 'Close this window and start again from the application.',
}

const NOT_OUR_PAGE = {
  title: 'This answer cannot be accepted',
  what: 'It did not come from our page in this browser.',
  next: 'Start again from the application.',
}
