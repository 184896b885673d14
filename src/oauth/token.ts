import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Client } from '../domain/client.ts'
import { type OAuthFailure, oauthFailure } from '../domain/errors.ts'
import { hasRepeated, type RequestParameters, single } from '../domain/request-parameters.ts'
import type { Result } from '../domain/result.ts'
import type { Secret } from '../domain/secret.ts'
import { circumstances } from '../http/circumstances.ts'
import { replyOAuthError } from '../http/error-reply.ts'
import { rawQuery } from '../http/query.ts'
import { authorizationCodeGrant } from './authorization-code-grant.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { authenticateClient } from './client.ts'
import { refreshTokenGrant } from './refresh-token-grant.ts'

/** A token request whose client is known and proven. */
export interface TokenRequest {
  readonly client: Client
  readonly parameters: RequestParameters
  readonly circumstances: ReturnType<typeof circumstances>
  /** When the client had begun the request at the latest, ms since 1970. */
  readonly arrivedAt: number
}

/** What a successful token response says (RFC 6749 §5.1). */
export interface IssuedTokens {
  readonly accessToken: Secret
  readonly refreshToken: Secret
  readonly expiresInSeconds: number
  readonly scopes: readonly string[]
}

type GrantHandler = (server: AuthorizationServer, request: TokenRequest) => Promise<Result<IssuedTokens, OAuthFailure>>

const GRANTS: ReadonlyMap<string, GrantHandler> = new Map([
  ['authorization_code', authorizationCodeGrant],
  ['refresh_token', refreshTokenGrant],
])

/** `POST /token` (RFC 6749 §3.2): always JSON, never stored, whatever happens. */
export function tokenEndpoint(server: AuthorizationServer) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const parameters = readForm(request)
    if (!parameters.ok) return refuse(server, request, reply, 'unknown', parameters.failure)
    const client = await authenticateClient(server, request, parameters.value)
    if (!client.ok) return refuse(server, request, reply, 'unknown', client.failure)

    const grantType = single(parameters.value, 'grant_type') ?? ''
    const grant = GRANTS.get(grantType)
    if (!grant) return refuse(server, request, reply, 'unknown', UNSUPPORTED)
    const issued = await grant(server, {
      client: client.value,
      parameters: parameters.value,
      circumstances: circumstances(request),
      arrivedAt: request.arrivedAt,
    })
    if (!issued.ok) return refuse(server, request, reply, grantType, issued.failure)

    server.metrics.tokens.inc({ grant_type: grantType, outcome: 'issued' })
    return reply
      .header('cache-control', 'no-store')
      .header('pragma', 'no-cache')
      .send({
        access_token: issued.value.accessToken.reveal(),
        token_type: 'Bearer',
        expires_in: issued.value.expiresInSeconds,
        refresh_token: issued.value.refreshToken.reveal(),
        scope: issued.value.scopes.join(' '),
      })
  }
}

const UNSUPPORTED = oauthFailure('unsupported_grant_type', 'grant_type must be authorization_code or refresh_token')

/** The form of a client's POST (RFC 6749 §3.2): in the body only, each parameter once. */
export function readForm(request: FastifyRequest): Result<RequestParameters, OAuthFailure> {
  const refused = (description: string) => ({
    ok: false as const,
    failure: oauthFailure('invalid_request', description),
  })
  if (rawQuery(request.url) !== '') return refused('parameters belong in the body, not in the URL')
  if (!request.form) return refused('the body must be well-formed application/x-www-form-urlencoded')
  if (hasRepeated(request.form, ['resource'])) return refused('a parameter occurs more than once')
  return { ok: true, value: request.form }
}

function refuse(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  grantType: string,
  failure: OAuthFailure,
): FastifyReply {
  server.metrics.tokens.inc({ grant_type: grantType, outcome: failure.error })
  request.log.info({ grantType, error: failure.error, reason: failure.description }, 'token request refused')
  // RFC 6749 §5.2: a client that tried the Authorization header is told which scheme works there.
  if (failure.error === 'invalid_client' && request.headers.authorization !== undefined) {
    reply.header('www-authenticate', 'Basic realm="token endpoint"')
  }
  return replyOAuthError(reply, failure)
}
