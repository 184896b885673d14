import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Client } from '../domain/client.ts'
import type { OAuthFailure } from '../domain/errors.ts'
import { acceptRedirectUri, type RedirectTarget, withAnswer } from '../domain/redirect-uri.ts'
import type { Secret } from '../domain/secret.ts'
import { replyPage } from '../http/error-reply.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { errorPage, handOffPage, pageHeaders } from './pages.ts'

/** Where an answer goes: a redirect URI that was matched against the client's, and its `state`. */
export interface AnswerTo {
  readonly redirectUri: string
  readonly state?: string
}

/** Sends the browser back with a code (RFC 6749 §4.1.2) and our issuer (RFC 9207 §2). */
export function answerWithCode(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  to: AnswerTo,
  client: { readonly clientName?: string },
  code: Secret,
): FastifyReply {
  const target = acceptRedirectUri(to.redirectUri)
  if (!target.ok) return refuseTarget(request, reply)
  const href = withAnswer(to.redirectUri, { code: code.reveal(), state: to.state, iss: server.issuer })
  return sendTo(reply, href, target.value, client.clientName)
}

/** Sends the browser back with an error (RFC 6749 §4.1.2.1), for users who have acted: approved, denied, signed in. */
export function answerWithError(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  to: AnswerTo,
  failure: OAuthFailure,
): FastifyReply {
  const target = acceptRedirectUri(to.redirectUri)
  if (!target.ok) return refuseTarget(request, reply)
  return sendTo(reply, errorLocation(server, to, failure), target.value, undefined)
}

/**
 * An error before the user has done anything. A client that registered itself could use us to send anybody anywhere, so
 * its users see a page that names the host and decide (RFC 9700 §4.11.2); clients of the operator are answered at once.
 */
export function answerUnaskedError(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  to: AnswerTo,
  client: Client,
  failure: OAuthFailure,
): FastifyReply {
  if (client.origin === 'static') return answerWithError(server, request, reply, to, failure)
  return explainToUser(server, request, reply, to, {
    status: 400,
    title: 'This sign-in request cannot be used',
    what: `The application that sent you here made a mistake: ${failure.description} (${failure.error}).`,
    next: 'You can return to the application; it will be told what went wrong.',
    failure,
  })
}

/** A page that says what happened, with a link that takes the error to the client (RFC 6749 §4.1.2.1). */
export function explainToUser(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  to: AnswerTo,
  page: {
    readonly status: number
    readonly title: string
    readonly what: string
    readonly next: string
    readonly failure: OAuthFailure
  },
): FastifyReply {
  const target = acceptRedirectUri(to.redirectUri)
  if (!target.ok) return refuseTarget(request, reply)
  const html = errorPage({
    title: page.title,
    what: page.what,
    next: page.next,
    requestId: request.id,
    continue: {
      href: errorLocation(server, to, page.failure),
      host: describeTarget(target.value),
      label: 'Return to the application',
    },
  })
  return replyPage(reply, page.status, html, pageHeaders())
}

/** A page for problems where nobody may be redirected anywhere (RFC 6749 §4.1.2.1, first paragraph). */
export function showProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  page: { readonly title: string; readonly what: string; readonly next: string },
): FastifyReply {
  return replyPage(reply, status, errorPage({ ...page, requestId: request.id }), pageHeaders())
}

function errorLocation(server: AuthorizationServer, to: AnswerTo, failure: OAuthFailure): string {
  return withAnswer(to.redirectUri, {
    error: failure.error,
    error_description: failure.description,
    state: to.state,
    iss: server.issuer,
  })
}

/**
 * 303, so that no browser repeats a form post at the client (RFC 9700 §4.12). A private-use scheme gets a page instead:
 * browsers may block or ask before such a navigation, and the user needs something to click then.
 */
function sendTo(
  reply: FastifyReply,
  href: string,
  target: RedirectTarget,
  clientName: string | undefined,
): FastifyReply {
  if (target.kind !== 'private-scheme') return reply.headers(pageHeaders()).redirect(href, 303)
  return replyPage(
    reply,
    200,
    handOffPage({ target, href, ...(clientName === undefined ? {} : { clientName }) }),
    pageHeaders(),
  )
}

function refuseTarget(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return showProblem(request, reply, 400, {
    title: 'This address cannot be used',
    what: 'The address that the answer should go to is not acceptable any more.',
    next: 'Close this window and start again from the application.',
  })
}

function describeTarget(target: RedirectTarget): string {
  return target.kind === 'private-scheme' ? `${target.scheme}:` : target.host
}
