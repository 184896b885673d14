import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient } from '../audit.ts'
import type { AuthorizationRequest } from '../domain/authorization-request.ts'
import type { Client } from '../domain/client.ts'
import { oauthFailure } from '../domain/errors.ts'
import type { ConsentStage } from '../domain/interaction.ts'
import { describeRedirectUri } from '../domain/redirect-uri.ts'
import { single } from '../domain/request-parameters.ts'
import type { SignInRoute } from '../domain/route.ts'
import { grantScopes } from '../domain/scope.ts'
import { isSameOriginPost } from '../http/browser-proof.ts'
import { circumstances } from '../http/circumstances.ts'
import { replyPage } from '../http/error-reply.ts'
import { answerWithError, showProblem } from './answer.ts'
import { approve } from './approve.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { ENDED } from './begin-sign-in.ts'
import { askingClient } from './client.ts'
import { findInteraction, type HeldInteraction, takeInteraction } from './interactions.ts'
import { knownAs, offeredRoutes } from './offered-routes.ts'
import { consentPage, pageHeaders, type Steps } from './pages.ts'
import { stepsOf } from './steps.ts'

/** Who asks for what; the page is rendered from the stored request only. */
interface Asking {
  readonly id: string
  readonly request: AuthorizationRequest
  readonly client: Client
}

/** The consent page. It sets no cookie that a callback would accept: that one exists only after approval (MCP). */
export async function showConsent(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  asking: Asking,
  status = 200,
): Promise<FastifyReply> {
  const { client } = asking
  const routes = offeredRoutes(server, asking.request, client)
  const known = await knownAs(server, routes, asking.request, client)
  const formToken = server.browserProof.formToken(server.browserProof.formCookie(request, reply), asking.id)
  const html = consentPage({
    client: {
      id: client.clientId,
      origin: client.origin,
      ...(client.clientName === undefined ? {} : { name: client.clientName }),
      ...(client.clientUri === undefined ? {} : { uri: client.clientUri }),
      ...(client.origin === 'metadata-document' ? { host: new URL(client.clientId).host } : {}),
    },
    redirect: { ...describeRedirectUri(asking.request.redirectUri), uri: asking.request.redirectUri },
    routes: routes.map((route) => ({
      path: route.path,
      title: route.title,
      resource: route.resource,
      upstreamAccount: describeCredential(route),
      notices: noticesOf(route),
    })),
    scopes: [...new Set(routes.flatMap((route) => grantedScopes(asking.request, route)))],
    providerName: [...new Set(routes.map((route) => route.signIn))].join(', '),
    knownAs: known.map(({ provider, client: { kind, clientId: id, name } }) => ({
      provider,
      isOwn: kind !== 'shared',
      ...(id === undefined ? {} : { id }),
      ...(name === undefined ? {} : { name }),
    })),
    steps: commonSteps(routes),
    gatewayHost: new URL(server.issuer).host,
    form: { action: '/consent', hidden: { interaction: asking.id, csrf: formToken } },
  })
  return replyPage(reply, status, html, pageHeaders())
}

/**
 * `POST /consent`: the user's decision. Only our own page in the browser that was asked can make it, once; approval
 * binds that browser and sends it to the provider (MCP: confused deputy).
 */
export function consentEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    if (!isSameOriginPost(request, server.issuer)) return showProblem(request, reply, 403, NOT_OUR_PAGE)
    const { form } = request
    const id = form && single(form, 'interaction')
    if (!form || id === undefined) return showProblem(request, reply, 400, ENDED)
    if (!server.browserProof.verifiesForm(request, id, single(form, 'csrf')))
      return showProblem(request, reply, 403, NOT_OUR_PAGE)

    const held = await findInteraction(server, id, 'consent')
    const client = held && (await askingClient(server, held.interaction.request))
    if (!held || !client) return showProblem(request, reply, 400, ENDED)

    const decision = single(form, 'decision')
    if (decision === 'deny') return deny(server, request, reply, held, client)
    if (decision !== 'approve') return showProblem(request, reply, 400, ENDED)
    const route = chosenRoute(server, held.interaction.request, client, single(form, 'route'))
    if (!route) return showConsent(server, request, reply, { id, request: held.interaction.request, client }, 400)
    return approve(server, request, reply, { held, client, route })
  }
}

async function deny(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  held: HeldInteraction<ConsentStage>,
  client: Client,
): Promise<FastifyReply> {
  if (!(await takeInteraction(server, held))) return showProblem(request, reply, 400, ENDED)
  server.audit({ event: 'consent_denied', ...circumstances(request), client: auditedClient(client) })
  return answerWithError(
    server,
    request,
    reply,
    held.interaction.request,
    oauthFailure('access_denied', 'the user said no'),
  )
}

/** The one route of the request, or the one that the user picked among those offered. */
function chosenRoute(
  server: AuthorizationServer,
  asked: AuthorizationRequest,
  client: Client,
  picked: string | undefined,
): SignInRoute | undefined {
  const offered = offeredRoutes(server, asked, client)
  return offered.length === 1 ? offered[0] : offered.find((route) => route.path === picked)
}

function grantedScopes(asked: AuthorizationRequest, route: SignInRoute): readonly string[] {
  const scopes = grantScopes(asked.scope, route.scopes, route.defaultScopes)
  return scopes.ok ? scopes.value : []
}

function describeCredential({ credential }: SignInRoute): string {
  switch (credential.kind) {
    case 'provider-token':
      return `your access token from ${credential.provider}`
    case 'token-exchange':
      return `a token that ${credential.provider} issues for this server in your name`
    case 'user-pat':
      return `your own ${credential.label}, which you are asked for next`
    case 'signed-jwt':
      return 'your name, e-mail address and groups, in a statement signed by this gateway'
    case 'static':
      return 'a shared credential that your administrator configured'
    case 'none':
      return 'no credential'
  }
}

/** U-15: whoever shares an account is told, and told what the operator wants to add. */
function noticesOf({ credential }: SignInRoute): string[] {
  if (credential.kind !== 'static') return []
  const shared = 'Everybody who uses this server acts as the same account there.'
  return credential.notice === undefined ? [shared] : [shared, credential.notice]
}

/** The way ahead, where it is the same whichever route the user picks. */
function commonSteps(routes: readonly SignInRoute[]): Steps | undefined {
  const [first, ...others] = routes.map((route) => stepsOf(route, 'approve'))
  const isCommon = others.every((steps) => JSON.stringify(steps) === JSON.stringify(first))
  return isCommon ? first : undefined
}

const NOT_OUR_PAGE = {
  title: 'This answer cannot be accepted',
  what: 'It did not come from our page in this browser. Cookies may be blocked, or another site sent it.',
  next: 'Allow cookies for this site, then start again from the application.',
}
