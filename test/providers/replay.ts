import type { FakedReply } from '../fixtures/faked-hosts.ts'

/** A request that must arrive exactly so. */
export interface ExpectedRequest {
  readonly url: string
  readonly method?: 'GET' | 'POST' | 'DELETE'
  /** Headers that must be there; `authorization` must not be there unless it is named. */
  readonly headers?: Readonly<Record<string, string>>
  /** The media type, and everything in the body. */
  readonly form?: Readonly<Record<string, string>>
  readonly json?: Readonly<Record<string, unknown>>
}

/** What a provider documents about one whole sign-in, as requests and answers. */
export interface Replay {
  /** What an operator writes beside `preset` and the client. */
  readonly keys?: readonly string[]
  /** Everything in the query but state, nonce and code_challenge, whose values are fresh each time. */
  readonly authorize: { readonly url: string; readonly query: Readonly<Record<string, string>> }
  readonly pkce: boolean
  readonly exchange: ExpectedRequest
  readonly tokens: Readonly<Record<string, unknown>>
  /** OpenID Connect: what the metadata say besides the endpoints that are used here. */
  readonly oidc?: {
    readonly issuer: string
    /** What tokens name, where it is not what the metadata name. */
    readonly tokenIssuer?: string
    readonly metadata: Readonly<Record<string, unknown>>
    readonly claims: Readonly<Record<string, unknown>>
    readonly userinfo?: Readonly<Record<string, unknown>>
  }
  /** Calls with the user's access token. */
  readonly asks?: readonly (ExpectedRequest & { readonly answer: FakedReply })[]
  readonly identity: Readonly<Record<string, unknown>>
  /** Seconds that the access token lives; absent when nobody says. */
  readonly life?: number
  readonly refresh?: {
    readonly request: ExpectedRequest
    readonly answer: Readonly<Record<string, unknown>>
    /** What stands for the next refresh. */
    readonly next: string
    readonly dead: FakedReply
  }
  /** An answer in the provider's own words that says: not now. */
  readonly later?: FakedReply
  readonly revoke?: ExpectedRequest & { readonly answer?: FakedReply }
  /** A token for another service in exchange for access-1, where the provider has its own way to ask for one. */
  readonly onBehalfOf?: {
    readonly scope: string
    readonly request: ExpectedRequest
    readonly answer: Readonly<Record<string, unknown>>
    readonly needsUser: FakedReply
  }
}

/** Client, code and callback of every replay. */
export const CLIENT = { id: 'client-1', secret: 'secret+1' }
export const CALLBACK = 'https://mcp.example.com/callback/corp'
export const CODE = 'code-1'
/** RFC 6749 §2.3.1: both parts are form-encoded. */
export const BASIC = `Basic ${Buffer.from('client-1:secret%2B1').toString('base64')}`

const IN_BODY = { client_id: CLIENT.id, client_secret: CLIENT.secret }
/** What every exchange of a code sends, besides the secret. */
export const EXCHANGE = { grant_type: 'authorization_code', code: CODE, redirect_uri: CALLBACK }
export const REFRESH = { grant_type: 'refresh_token', refresh_token: 'refresh-1' }
const AUTHORIZE = { response_type: 'code', client_id: CLIENT.id, redirect_uri: CALLBACK }
const BEARER = { authorization: 'Bearer access-1' }
const OIDC_TOKENS = { access_token: 'access-1', token_type: 'Bearer', expires_in: 3600, refresh_token: 'refresh-1' }
const ROTATED = { access_token: 'access-2', token_type: 'Bearer', expires_in: 3600, refresh_token: 'refresh-2' }
const ALICE = { sub: 'alice-1', name: 'Alice Example', email: 'alice@example.com', email_verified: true }
const ALICE_IDENTITY = { subject: 'alice-1', name: 'Alice Example', email: 'alice@example.com' }

interface OidcFacts {
  readonly keys?: readonly string[]
  readonly issuer: string
  readonly authorization: string
  readonly token: string
  readonly jwks: string
  readonly revocation?: string
  readonly userinfo?: { readonly url: string; readonly answer: Readonly<Record<string, unknown>> }
  /** How the metadata say that secrets are sent; absent: both ways. */
  readonly postOnly?: boolean
  readonly query: Readonly<Record<string, string>>
  readonly claims?: Readonly<Record<string, unknown>>
  readonly identity?: Readonly<Record<string, unknown>>
  readonly rotates?: boolean
  readonly dead?: FakedReply
  readonly tokenIssuer?: string
}

/** An OpenID Connect provider; they differ in little but addresses. */
function openId(facts: OidcFacts): Replay {
  const sends = (fields: Readonly<Record<string, string>>) =>
    facts.postOnly
      ? { url: facts.token, form: { ...fields, ...IN_BODY } }
      : { url: facts.token, headers: { authorization: BASIC }, form: fields }
  const { refresh_token: _, ...kept } = ROTATED
  return {
    ...(facts.keys ? { keys: facts.keys } : {}),
    authorize: { url: facts.authorization, query: { ...AUTHORIZE, ...facts.query } },
    pkce: true,
    exchange: sends(EXCHANGE),
    tokens: OIDC_TOKENS,
    life: 3600,
    oidc: {
      issuer: facts.issuer,
      ...(facts.tokenIssuer ? { tokenIssuer: facts.tokenIssuer } : {}),
      metadata: {
        authorization_endpoint: facts.authorization,
        token_endpoint: facts.token,
        jwks_uri: facts.jwks,
        token_endpoint_auth_methods_supported: facts.postOnly
          ? ['client_secret_post']
          : ['client_secret_post', 'client_secret_basic'],
        ...(facts.revocation ? { revocation_endpoint: facts.revocation } : {}),
        ...(facts.userinfo ? { userinfo_endpoint: facts.userinfo.url } : {}),
      },
      claims: { ...ALICE, ...facts.claims },
    },
    asks: facts.userinfo ? [{ url: facts.userinfo.url, headers: BEARER, answer: { body: facts.userinfo.answer } }] : [],
    identity: { ...ALICE_IDENTITY, groups: [], ...facts.identity },
    refresh: {
      request: sends(REFRESH),
      answer: facts.rotates ? ROTATED : kept,
      next: facts.rotates ? 'refresh-2' : 'refresh-1',
      dead: facts.dead ?? { status: 400, body: { error: 'invalid_grant', error_description: 'Token is not active' } },
    },
    later: { status: 503, type: 'text/html', body: '<h1>Service Unavailable</h1>' },
    ...(facts.revocation
      ? { revoke: { ...sends({ token: 'refresh-1', token_type_hint: 'refresh_token' }), url: facts.revocation } }
      : {}),
  }
}

const OPENID = { scope: 'openid email profile' }
const OFFLINE = { scope: 'openid email profile offline_access' }
const GITHUB_USER = { login: 'alice', id: 583231, name: 'Alice Example', email: 'public@example.com' }
const GITHUB_EMAILS = [
  { email: 'old@example.com', primary: false, verified: true, visibility: null },
  { email: 'alice@example.com', primary: true, verified: true, visibility: 'private' },
]
const GITHUB_HEADERS = { ...BEARER, accept: 'application/vnd.github+json', 'user-agent': 'mcp-gatehouse' }

function gitHub(options: { base: string; api: string; scope?: string; expires: boolean; keys?: string[] }): Replay {
  const token = `${options.base}/login/oauth/access_token`
  return {
    ...(options.keys ? { keys: options.keys } : {}),
    authorize: {
      url: `${options.base}/login/oauth/authorize`,
      query: { ...AUTHORIZE, ...(options.scope ? { scope: options.scope } : {}) },
    },
    pkce: true,
    exchange: { url: token, headers: { accept: 'application/json' }, form: { ...EXCHANGE, ...IN_BODY } },
    tokens: options.expires
      ? {
          access_token: 'access-1',
          expires_in: 28800,
          refresh_token: 'refresh-1',
          refresh_token_expires_in: 15897600,
          scope: '',
          token_type: 'bearer',
        }
      : { access_token: 'access-1', scope: 'read:user,user:email', token_type: 'bearer' },
    ...(options.expires ? { life: 28800 } : {}),
    asks: [
      { url: `${options.api}/user`, headers: GITHUB_HEADERS, answer: { body: GITHUB_USER } },
      { url: `${options.api}/user/emails`, headers: GITHUB_HEADERS, answer: { body: GITHUB_EMAILS } },
    ],
    identity: { subject: '583231', name: 'Alice Example', email: 'alice@example.com', groups: [] },
    ...(options.expires
      ? {
          refresh: {
            request: { url: token, form: { ...REFRESH, ...IN_BODY } },
            answer: { access_token: 'access-2', expires_in: 28800, refresh_token: 'refresh-2', token_type: 'bearer' },
            next: 'refresh-2',
            dead: { body: { error: 'bad_refresh_token', error_description: 'The refresh token passed is incorrect.' } },
          },
          later: { status: 502, type: 'text/html', body: '<h1>Unicorn!</h1>' },
        }
      : {}),
    revoke: {
      method: 'DELETE',
      url: `${options.api}/applications/${CLIENT.id}/token`,
      headers: { authorization: BASIC },
      json: { access_token: 'access-1' },
      answer: { status: 204 },
    },
  }
}

const KEYCLOAK = 'https://login.example.com/realms/main'
const AUTHENTIK = 'https://auth.example.com/application/o'
const COGNITO = 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI'
const TENANT = '11111111-2222-3333-4444-555555555555'
const ENTRA = `https://login.microsoftonline.com/${TENANT}`

/** By preset. The generic ones are replayed against a real provider instead. */
export const REPLAYS: Readonly<Record<string, Replay>> = {
  google: openId({
    issuer: 'https://accounts.google.com',
    authorization: 'https://accounts.google.com/o/oauth2/v2/auth',
    token: 'https://oauth2.googleapis.com/token',
    jwks: 'https://www.googleapis.com/oauth2/v3/certs',
    revocation: 'https://oauth2.googleapis.com/revoke',
    userinfo: { url: 'https://openidconnect.googleapis.com/v1/userinfo', answer: ALICE },
    query: { ...OPENID, access_type: 'offline', prompt: 'consent' },
    claims: { hd: 'example.com' },
    dead: { status: 400, body: { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' } },
  }),
  entra: {
    ...openId({
      keys: [`tenant: ${TENANT}`],
      issuer: `${ENTRA}/v2.0`,
      authorization: `${ENTRA}/oauth2/v2.0/authorize`,
      token: `${ENTRA}/oauth2/v2.0/token`,
      jwks: `${ENTRA}/discovery/v2.0/keys`,
      query: OFFLINE,
      postOnly: true,
      claims: { email_verified: undefined, xms_edov: true, tid: TENANT, groups: ['group-object-id'] },
      identity: { groups: ['group-object-id'] },
      rotates: true,
      dead: {
        status: 400,
        body: { error: 'invalid_grant', error_description: 'AADSTS700082: expired', error_codes: [700082] },
      },
    }),
    onBehalfOf: {
      scope: 'api://wiki/.default',
      request: {
        url: `${ENTRA}/oauth2/v2.0/token`,
        form: {
          grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
          assertion: 'access-1',
          scope: 'api://wiki/.default',
          requested_token_use: 'on_behalf_of',
          ...IN_BODY,
        },
      },
      answer: { token_type: 'Bearer', scope: 'api://wiki/read', expires_in: 3269, access_token: 'wiki-1' },
      needsUser: {
        status: 400,
        body: {
          error: 'invalid_grant',
          error_description: 'AADSTS65001: The user or administrator has not consented',
          error_codes: [65001],
          suberror: 'consent_required',
        },
      },
    },
  },
  okta: openId({
    keys: ['domain: example.okta.com'],
    issuer: 'https://example.okta.com/oauth2/default',
    authorization: 'https://example.okta.com/oauth2/default/v1/authorize',
    token: 'https://example.okta.com/oauth2/default/v1/token',
    jwks: 'https://example.okta.com/oauth2/default/v1/keys',
    revocation: 'https://example.okta.com/oauth2/default/v1/revoke',
    userinfo: {
      url: 'https://example.okta.com/oauth2/default/v1/userinfo',
      answer: { ...ALICE, groups: ['engineering'] },
    },
    query: OFFLINE,
    identity: { groups: ['engineering'] },
  }),
  auth0: openId({
    keys: ['domain: example.eu.auth0.com', 'groups_claim: https://example.com/groups'],
    issuer: 'https://example.eu.auth0.com/',
    authorization: 'https://example.eu.auth0.com/authorize',
    token: 'https://example.eu.auth0.com/oauth/token',
    jwks: 'https://example.eu.auth0.com/.well-known/jwks.json',
    revocation: 'https://example.eu.auth0.com/oauth/revoke',
    query: OFFLINE,
    claims: { 'https://example.com/groups': ['engineering'] },
    identity: { groups: ['engineering'] },
    rotates: true,
    dead: { status: 403, body: { error: 'invalid_grant', error_description: 'Unknown or invalid refresh token.' } },
  }),
  keycloak: openId({
    keys: ['base_url: https://login.example.com', 'realm: main'],
    issuer: KEYCLOAK,
    authorization: `${KEYCLOAK}/protocol/openid-connect/auth`,
    token: `${KEYCLOAK}/protocol/openid-connect/token`,
    jwks: `${KEYCLOAK}/protocol/openid-connect/certs`,
    revocation: `${KEYCLOAK}/protocol/openid-connect/revoke`,
    query: OFFLINE,
    claims: { groups: ['/engineering'] },
    identity: { groups: ['/engineering'] },
    rotates: true,
  }),
  authentik: openId({
    keys: ['base_url: https://auth.example.com', 'application: gatehouse'],
    issuer: `${AUTHENTIK}/gatehouse/`,
    authorization: `${AUTHENTIK}/authorize/`,
    token: `${AUTHENTIK}/token/`,
    jwks: `${AUTHENTIK}/gatehouse/jwks/`,
    revocation: `${AUTHENTIK}/revoke/`,
    query: OFFLINE,
    claims: { groups: ['engineering'] },
    identity: { groups: ['engineering'] },
    rotates: true,
  }),
  cognito: openId({
    keys: ['region: eu-central-1', 'user_pool: eu-central-1_AbCdEfGhI'],
    issuer: COGNITO,
    authorization: 'https://example.auth.eu-central-1.amazoncognito.com/oauth2/authorize',
    token: 'https://example.auth.eu-central-1.amazoncognito.com/oauth2/token',
    jwks: `${COGNITO}/.well-known/jwks.json`,
    revocation: 'https://example.auth.eu-central-1.amazoncognito.com/oauth2/revoke',
    query: OPENID,
    claims: { 'cognito:groups': ['engineering'] },
    identity: { groups: ['engineering'] },
    dead: { status: 400, body: { error: 'invalid_grant' } },
  }),
  workos: openId({
    keys: ['domain: example.authkit.app'],
    issuer: 'https://example.authkit.app',
    authorization: 'https://example.authkit.app/oauth2/authorize',
    token: 'https://example.authkit.app/oauth2/token',
    jwks: 'https://example.authkit.app/oauth2/jwks',
    revocation: 'https://example.authkit.app/oauth2/revoke',
    userinfo: { url: 'https://example.authkit.app/oauth2/userinfo', answer: ALICE },
    query: OFFLINE,
    postOnly: true,
    rotates: true,
  }),
  gitlab: openId({
    issuer: 'https://gitlab.com',
    authorization: 'https://gitlab.com/oauth/authorize',
    token: 'https://gitlab.com/oauth/token',
    jwks: 'https://gitlab.com/oauth/discovery/keys',
    revocation: 'https://gitlab.com/oauth/revoke',
    userinfo: { url: 'https://gitlab.com/oauth/userinfo', answer: { ...ALICE, groups: ['team', 'team/backend'] } },
    query: OPENID,
    claims: { groups_direct: ['team/backend'] },
    identity: { groups: ['team', 'team/backend'] },
    rotates: true,
  }),
  github: gitHub({
    base: 'https://github.com',
    api: 'https://api.github.com',
    scope: 'read:user user:email',
    expires: false,
  }),
  'github-app': gitHub({ base: 'https://github.com', api: 'https://api.github.com', expires: true }),
  ghes: gitHub({
    keys: ['base_url: https://github.example.com'],
    base: 'https://github.example.com',
    api: 'https://github.example.com/api/v3',
    scope: 'read:user user:email',
    expires: true,
  }),
  atlassian: {
    authorize: {
      url: 'https://auth.atlassian.com/authorize',
      query: { ...AUTHORIZE, scope: 'read:me offline_access', audience: 'api.atlassian.com', prompt: 'consent' },
    },
    pkce: false,
    exchange: { url: 'https://auth.atlassian.com/oauth/token', json: { ...EXCHANGE, ...IN_BODY } },
    tokens: { access_token: 'access-1', refresh_token: 'refresh-1', expires_in: 3600, scope: 'read:me offline_access' },
    life: 3600,
    asks: [
      {
        url: 'https://api.atlassian.com/me',
        headers: BEARER,
        answer: {
          body: { account_id: 'a-1', name: 'Alice Example', email: 'alice@example.com', email_verified: true },
        },
      },
    ],
    identity: { subject: 'a-1', name: 'Alice Example', email: 'alice@example.com', groups: [] },
    refresh: {
      request: { url: 'https://auth.atlassian.com/oauth/token', json: { ...REFRESH, ...IN_BODY } },
      answer: { access_token: 'access-2', refresh_token: 'refresh-2', expires_in: 3600, scope: 'read:me' },
      next: 'refresh-2',
      dead: {
        status: 403,
        body: { error: 'invalid_grant', error_description: 'Unknown or invalid refresh token.' },
      },
    },
    later: { status: 429, body: { error: 'too_many_requests' } },
  },
  slack: {
    authorize: {
      url: 'https://slack.com/oauth/v2/authorize',
      query: { ...AUTHORIZE, user_scope: 'users:read' },
    },
    pkce: false,
    exchange: { url: 'https://slack.com/api/oauth.v2.access', headers: { authorization: BASIC }, form: EXCHANGE },
    tokens: {
      ok: true,
      app_id: 'A1',
      team: { id: 'T1', name: 'Example' },
      // A bot's, which nobody asked for and nobody may take for the user's.
      access_token: 'xoxb-bot',
      token_type: 'bot',
      authed_user: {
        id: 'U1',
        scope: 'users:read',
        access_token: 'access-1',
        expires_in: 43200,
        refresh_token: 'refresh-1',
        token_type: 'user',
      },
    },
    life: 43200,
    asks: [
      {
        method: 'POST',
        url: 'https://slack.com/api/auth.test',
        headers: BEARER,
        answer: { body: { ok: true, team: 'Example', user: 'alice', team_id: 'T1', user_id: 'U1' } },
      },
    ],
    identity: { subject: 'T1:U1', name: 'alice', groups: [] },
    refresh: {
      request: { url: 'https://slack.com/api/oauth.v2.access', headers: { authorization: BASIC }, form: REFRESH },
      answer: {
        ok: true,
        access_token: 'access-2',
        expires_in: 43200,
        refresh_token: 'refresh-2',
        token_type: 'user',
      },
      next: 'refresh-2',
      dead: { body: { ok: false, error: 'invalid_refresh_token' } },
    },
    later: { body: { ok: false, error: 'ratelimited' } },
    revoke: { url: 'https://slack.com/api/auth.revoke', method: 'POST', headers: BEARER, form: {} },
  },
  linear: {
    keys: ['extra_scopes: [write]'],
    authorize: { url: 'https://linear.app/oauth/authorize', query: { ...AUTHORIZE, scope: 'read,write' } },
    pkce: true,
    exchange: { url: 'https://api.linear.app/oauth/token', form: { ...EXCHANGE, ...IN_BODY } },
    tokens: {
      access_token: 'access-1',
      token_type: 'Bearer',
      expires_in: 86399,
      scope: 'read write',
      refresh_token: 'refresh-1',
    },
    life: 86399,
    asks: [
      {
        method: 'POST',
        url: 'https://api.linear.app/graphql',
        headers: BEARER,
        json: { query: '{ viewer { id name email } }' },
        answer: { body: { data: { viewer: { id: 'linear-1', name: 'Alice', email: 'alice@example.com' } } } },
      },
    ],
    identity: { subject: 'linear-1', name: 'Alice', groups: [] },
    refresh: {
      request: { url: 'https://api.linear.app/oauth/token', form: { ...REFRESH, ...IN_BODY } },
      answer: { access_token: 'access-2', token_type: 'Bearer', expires_in: 86399, refresh_token: 'refresh-2' },
      next: 'refresh-2',
      dead: { status: 400, body: { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' } },
    },
    later: { status: 500, body: { error: 'server_error' } },
    revoke: {
      url: 'https://api.linear.app/oauth/revoke',
      method: 'POST',
      headers: BEARER,
      form: {},
    },
  },
  notion: {
    authorize: { url: 'https://api.notion.com/v1/oauth/authorize', query: { ...AUTHORIZE, owner: 'user' } },
    pkce: false,
    exchange: {
      url: 'https://api.notion.com/v1/oauth/token',
      headers: { authorization: BASIC, 'notion-version': '2025-09-03' },
      json: EXCHANGE,
    },
    tokens: {
      access_token: 'access-1',
      token_type: 'bearer',
      refresh_token: 'refresh-1',
      bot_id: 'bot-1',
      workspace_id: 'workspace-1',
      owner: {
        type: 'user',
        user: { object: 'user', id: 'notion-1', name: 'Alice', person: { email: 'alice@example.com' } },
      },
    },
    identity: { subject: 'notion-1', name: 'Alice', groups: [] },
    refresh: {
      request: {
        url: 'https://api.notion.com/v1/oauth/token',
        headers: { authorization: BASIC, 'notion-version': '2025-09-03' },
        json: REFRESH,
      },
      answer: { access_token: 'access-2', token_type: 'bearer', refresh_token: 'refresh-2', bot_id: 'bot-1' },
      next: 'refresh-2',
      dead: { status: 400, body: { error: 'invalid_grant', request_id: 'r-1' } },
    },
    later: { status: 503, body: { object: 'error', status: 503, code: 'service_unavailable' } },
    revoke: {
      url: 'https://api.notion.com/v1/oauth/revoke',
      method: 'POST',
      headers: { authorization: BASIC },
      json: { token: 'access-1' },
    },
  },
}
