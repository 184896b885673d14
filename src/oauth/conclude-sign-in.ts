import { timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedUpstreamClient } from '../audit.ts'
import { oauthFailure } from '../domain/errors.ts'
import type { SignInStage } from '../domain/interaction.ts'
import { hashToken } from '../domain/token.ts'
import { circumstances } from '../http/circumstances.ts'
import type { Provider, SignInOutcome, SignInReturn } from '../providers/provider.ts'
import { afterSignIn } from './after-sign-in.ts'
import { answerWithError, showProblem } from './answer.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { findInteraction, type HeldInteraction, takeInteraction } from './interactions.ts'
import { discardTokens } from './sign-in-tokens.ts'

/** The provider that the callback path names, if there is one. */
export function calledProvider(server: AuthorizationServer, request: FastifyRequest): Provider | undefined {
  const { provider } = request.params as { readonly provider?: string }
  return server.providers.get(provider ?? '')
}

/** The sign-in that `state` belongs to: id and secret half, under the provider that it was begun with. */
export async function findSignIn(
  server: AuthorizationServer,
  provider: Provider,
  state: string,
): Promise<HeldInteraction<SignInStage> | undefined> {
  const [id, secret, ...more] = state.split('.')
  if (id === undefined || secret === undefined || more.length > 0) return undefined
  const held = await findInteraction(server, id, 'sign-in')
  if (!held || held.interaction.provider !== provider.name) return undefined
  const matches = timingSafeEqual(Buffer.from(hashToken(secret)), Buffer.from(held.interaction.stateHash))
  return matches ? held : undefined
}

/** A sign-in that came back in another browser is over: the one who approved and the one who signed in may differ. */
export async function burn(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  held: HeldInteraction<SignInStage>,
): Promise<FastifyReply> {
  if (await takeInteraction(server, held)) discardTokens(server, held.interaction)
  noteFailure(server, request, held, 'another_browser')
  return showProblem(request, reply, 403, OTHER_BROWSER)
}

/** Redeems what the provider sent back, as the client that the sign-in was begun as. */
export async function finishSignIn(
  server: AuthorizationServer,
  { interaction }: HeldInteraction<SignInStage>,
  back: Omit<SignInReturn, 'continuation'>,
): Promise<SignInOutcome> {
  const { provider, upstreamClient, request, continuation } = interaction
  const acting = await server.upstreamClients.recall(provider, request.clientId, upstreamClient)
  // The configuration has changed meanwhile: the code was issued to somebody that we are not any more.
  if (!acting) return { outcome: 'unavailable', reason: 'upstream_client_changed' }
  const outcome = await acting.provider.finish({ ...back, continuation })
  if ('reason' in outcome && outcome.reason === 'invalid_client')
    await server.upstreamClients.refused(provider, request.clientId, upstreamClient, 'code')
  if (outcome.outcome === 'signed-in') server.upstreamClients.accepted(provider, upstreamClient)
  return outcome
}

/** Counts how an attempt to sign in ended. */
export function countSignIn(
  server: AuthorizationServer,
  { interaction: { provider, upstreamClient } }: HeldInteraction<SignInStage>,
  { outcome }: SignInOutcome,
): void {
  server.metrics.signIns.inc({ provider, outcome, upstream_client: upstreamClient?.kind ?? 'shared' })
}

/** What a finished sign-in leads to: a code, or an error for the client; the interaction has been taken already. */
export async function concludeSignIn(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  held: HeldInteraction<SignInStage>,
  outcome: SignInOutcome,
): Promise<FastifyReply> {
  const { interaction } = held
  countSignIn(server, held, outcome)
  if (outcome.outcome !== 'signed-in') discardTokens(server, interaction, lastLeg(interaction, outcome))
  // Whoever has set up a provider wrongly looks here first, wherever the trail is.
  if (outcome.outcome === 'unavailable' || outcome.outcome === 'refused')
    request.log.warn({ provider: interaction.provider, reason: outcome.reason }, 'sign-in failed')
  switch (outcome.outcome) {
    case 'signed-in':
      return afterSignIn(server, request, reply, interaction, outcome)
    case 'denied':
      noteFailure(server, request, held, outcome.reason)
      return answerWithError(
        server,
        request,
        reply,
        interaction.request,
        oauthFailure('access_denied', 'the sign-in was refused'),
      )
    case 'unavailable':
      noteFailure(server, request, held, outcome.reason)
      return answerWithError(server, request, reply, interaction.request, UNAVAILABLE)
    case 'refused':
      noteFailure(server, request, held, outcome.reason)
      return answerWithError(server, request, reply, interaction.request, UNTRUSTED)
    case 'wrong_password':
      noteFailure(server, request, held, 'too_many_attempts')
      return answerWithError(
        server,
        request,
        reply,
        interaction.request,
        oauthFailure('access_denied', 'too many wrong passwords'),
      )
  }
}

/** What the leg that failed brought all the same. */
function lastLeg({ provider, upstreamClient }: SignInStage, outcome: SignInOutcome) {
  const at = { provider, ...(upstreamClient === undefined ? {} : { upstreamClient }) }
  return { at, tokens: 'tokens' in outcome ? outcome.tokens : undefined }
}

function noteFailure(
  server: AuthorizationServer,
  request: FastifyRequest,
  held: HeldInteraction<SignInStage>,
  reason: string,
): void {
  const { provider, routePath, request: asked, upstreamClient } = held.interaction
  server.audit({
    event: 'sign_in_failed',
    ...circumstances(request),
    provider,
    clientId: asked.clientId,
    routePath,
    reason,
    ...auditedUpstreamClient(provider, upstreamClient),
  })
}

const UNAVAILABLE = oauthFailure('temporarily_unavailable', 'the identity provider cannot be reached')
const UNTRUSTED = oauthFailure('server_error', 'the answer of the identity provider could not be verified')

const OTHER_BROWSER = {
  title: 'Please start again in this browser',
  what: 'This sign-in was begun in another browser. If somebody sent you here, do not go on.',
  next: 'Start again from your own application if you want to connect it.',
}
