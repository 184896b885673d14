import { OAuthProvider } from '@cloudflare/workers-oauth-provider'

/**
 * @typedef {object} Env
 * @property {string} UPSTREAM
 * @property {string} RESOURCE
 * @property {import('@cloudflare/workers-oauth-provider').OAuthHelpers} OAUTH_PROVIDER
 */

/** What is reached with a token that the provider found good: the MCP server, by fetch. */
const proxy = {
  /** @param {Request} request @param {Env} env */
  fetch(request, env) {
    const headers = new Headers(request.headers)
    headers.set('authorization', 'Bearer upstream-credential')
    return fetch(env.UPSTREAM, { method: request.method, headers, body: request.body })
  },
}

/** Everything else: whoever asks is approved at once, so that a token can be had without a user. */
const approval = {
  /** @param {Request} request @param {Env} env */
  async fetch(request, env) {
    const asked = await env.OAUTH_PROVIDER.parseAuthRequest(request)
    const { redirectTo } = await env.OAUTH_PROVIDER.completeAuthorization({
      request: asked,
      userId: 'bench',
      metadata: {},
      scope: asked.scope,
      props: { user: 'bench' },
    })
    return Response.redirect(redirectTo, 302)
  },
}

/** @typedef {Parameters<OAuthProvider<Env>['fetch']>[2]} Context */

/** @type {OAuthProvider<Env> | undefined} */
let provider

export default {
  /** @param {Request} request @param {Env} env @param {Context} context */
  fetch(request, env, context) {
    provider ??= new OAuthProvider({
      apiRoute: '/bench',
      apiHandler: proxy,
      defaultHandler: approval,
      authorizeEndpoint: '/authorize',
      tokenEndpoint: '/token',
      clientRegistrationEndpoint: '/register',
      accessTokenTTL: 24 * 3600,
      resourceMetadata: { resource: env.RESOURCE },
    })
    return provider.fetch(request, env, context)
  },
}
