import type { FastifyInstance } from 'fastify'
import type { GatewayConfig } from './config/gateway-config.ts'
import { authorizationServerMetadata, PROTECTED_RESOURCE_PATH, protectedResourceMetadata } from './domain/discovery.ts'
import { MESSAGES } from './gateway/announced-endpoint.ts'
import type { Forwarding } from './gateway/delivery.ts'
import type { Gateway } from './gateway/gateway.ts'
import { routeEndpoint } from './gateway/route-endpoint.ts'
import type { SigningKeys } from './gateway/signing-keys.ts'
import { acceptCookies } from './http/browser-proof.ts'
import { documentEndpoint, keysEndpoint } from './http/discovery-reply.ts'
import { type Endpoint, mountEndpoint } from './http/endpoint-table.ts'
import { acceptForms } from './http/form-body.ts'
import { perMinute } from './http/rate-limit.ts'
import type { AuthorizationServer } from './oauth/authorization-server.ts'
import { authorizeEndpoint } from './oauth/authorize.ts'
import { callbackEndpoint } from './oauth/callback.ts'
import { connectEndpoint, connectPageEndpoint } from './oauth/connect.ts'
import { consentEndpoint } from './oauth/consent.ts'
import { introspectEndpoint } from './oauth/introspect.ts'
import {
  deleteRegistrationEndpoint,
  readRegistrationEndpoint,
  updateRegistrationEndpoint,
} from './oauth/manage-registration.ts'
import { registerEndpoint } from './oauth/register.ts'
import { revokeEndpoint } from './oauth/revoke.ts'
import { signInEndpoint } from './oauth/sign-in.ts'
import { tokenEndpoint } from './oauth/token.ts'

/** Where MCP servers find the keys of our statements about users (RFC 7517 §5). */
const JWKS_PATH = '/.well-known/jwks.json'

/** Every path of the public listener, in order. Nothing else is served (DESIGN: HTTP surface). */
export async function mountTable(
  app: FastifyInstance,
  config: GatewayConfig,
  server: AuthorizationServer,
  gateway: Gateway,
  forwarding: Forwarding,
  signingKeys: SigningKeys,
): Promise<void> {
  const { routes, publicUrl: issuer } = config
  const only = routes.length === 1 ? routes[0] : undefined
  const registration = config.clients.registration !== 'off'
  const scopes = [...new Set(routes.flatMap((route) => route.scopes))]
  const metadata = (path: string, document: Record<string, unknown>): Endpoint => ({
    path,
    audience: 'client',
    crossOrigin: true,
    handlers: { GET: documentEndpoint(document) },
  })

  const documents: Endpoint[] = [
    metadata(
      '/.well-known/oauth-authorization-server',
      authorizationServerMetadata(issuer, {
        scopes,
        registration,
        metadataDocuments: config.clients.metadataDocuments.enabled,
      }),
    ),
    ...routes.map((route) =>
      metadata(`${PROTECTED_RESOURCE_PATH}${route.path}`, protectedResourceMetadata(issuer, route)),
    ),
    ...(routes.some((route) => route.credential.kind === 'signed-jwt')
      ? [
          {
            path: JWKS_PATH,
            audience: 'client' as const,
            crossOrigin: true as const,
            handlers: { GET: keysEndpoint(signingKeys) },
          },
        ]
      : []),
    // On a host with several routes the root document would name a resource that nobody asked about (RFC 9728 §3.3).
    ...(only ? [metadata(PROTECTED_RESOURCE_PATH, protectedResourceMetadata(issuer, only))] : []),
  ]
  const { registrations, pages, tokenRequests } = config.limits
  const registering = perMinute(app, registrations)
  const browsing = perMinute(app, pages)
  const asking = perMinute(app, tokenRequests)
  const json: Endpoint[] = registration
    ? [
        {
          path: '/register',
          audience: 'client',
          crossOrigin: true,
          limit: registering,
          handlers: { POST: registerEndpoint(server) },
        },
        {
          path: '/register/:clientId',
          audience: 'client',
          crossOrigin: true,
          limit: registering,
          handlers: registrationManagement(server),
        },
      ]
    : []
  const forms: Endpoint[] = [
    { path: '/token', audience: 'client', crossOrigin: true, limit: asking, handlers: { POST: tokenEndpoint(server) } },
    {
      path: '/revoke',
      audience: 'client',
      crossOrigin: true,
      limit: asking,
      handlers: { POST: revokeEndpoint(server) },
    },
    { path: '/introspect', audience: 'client', limit: asking, handlers: { POST: introspectEndpoint(server) } },
    { path: '/authorize', audience: 'person', limit: browsing, handlers: { GET: authorizeEndpoint(server) } },
    { path: '/consent', audience: 'person', limit: browsing, handlers: { POST: consentEndpoint(server) } },
    {
      path: '/connect',
      audience: 'person',
      limit: browsing,
      handlers: { GET: connectPageEndpoint(server), POST: connectEndpoint(server) },
    },
    {
      path: '/callback/:provider',
      audience: 'person',
      limit: browsing,
      handlers: { GET: callbackEndpoint(server), POST: signInEndpoint(server) },
    },
  ]

  for (const endpoint of [...documents, ...json]) mountEndpoint(app, endpoint)
  await app.register(async (scope) => {
    await acceptCookies(scope)
    acceptForms(scope)
    for (const endpoint of forms) mountEndpoint(scope, endpoint)
  })
  await app.register(async (scope) => {
    // Bodies on routes are the MCP server's business: the hook answers before the framework would look at one.
    const answered = () => {
      throw new Error('a route did not answer')
    }
    for (const route of routes) {
      const onRequest = routeEndpoint(gateway, forwarding, route)
      for (const url of [route.path, `${route.path}/`])
        scope.all(url, { config: { audience: 'mcp' }, onRequest }, answered)
      if (route.transport !== 'sse') continue
      const messages = routeEndpoint(gateway, forwarding, route, 'messages')
      scope.all(route.path + MESSAGES, { config: { audience: 'mcp' }, onRequest: messages }, answered)
    }
  })
}

function registrationManagement(server: AuthorizationServer): Endpoint['handlers'] {
  return {
    GET: readRegistrationEndpoint(server),
    PUT: updateRegistrationEndpoint(server),
    DELETE: deleteRegistrationEndpoint(server),
  }
}
