import { type Client, displayName } from '../../domain/client.ts'
import type { RedirectTarget } from '../../domain/redirect-uri.ts'
import { DEFAULT_SCOPE } from '../../domain/scope.ts'
import { foreign, shorten } from './foreign-text.ts'
import { type Html, type HtmlDocument, html } from './html.ts'
import { type Form, hiddenFields, layOut } from './layout.ts'
import type { Steps } from './steps.ts'

/** A route that the user may allow. */
export interface ConsentRoute {
  readonly path: string
  readonly title: string
  readonly resource: string
  /** What the MCP server will receive, as a phrase: "your token from corp", "nothing about you" (A-42). */
  readonly upstreamAccount: string
  /** What everybody should know who shares that account, one paragraph each. */
  readonly notices?: readonly string[]
}

/** Everything that the consent page says (A-32, A-42). */
export interface ConsentModel {
  readonly client: {
    readonly name?: string
    readonly id: string
    readonly origin: Client['origin']
    /** Present when `id` is the address of the document that describes the client: its host, which we asked. */
    readonly host?: string
    readonly uri?: string
  }
  readonly redirect: RedirectTarget & { readonly uri: string }
  /** One, or all those that the user may choose from (A-12). */
  readonly routes: readonly ConsentRoute[]
  readonly scopes: readonly string[]
  readonly providerName: string
  /** As which application each provider will know the gateway; `isOwn` when that is not the same for every app. */
  readonly knownAs: readonly {
    readonly provider: string
    readonly isOwn: boolean
    readonly name?: string
    readonly id?: string
  }[]
  readonly steps?: Steps | undefined
  readonly gatewayHost: string
  readonly form: Form
}

/**
 * Asks whether a client may use a route: one form that posts `decision=approve` or `decision=deny`, and `route` when
 * there is a choice. Nobody vouches for what a client says of itself, so the page leads with where the answer goes.
 */
export function consentPage(model: ConsentModel): HtmlDocument {
  const [only, ...others] = model.routes
  const single = others.length === 0 ? only : undefined
  const question = single
    ? html`Allow access to ${foreign(single.title)}?`
    : html`Allow access to one of these servers?`
  return layOut({
    title: 'Allow access?',
    gatewayHost: model.gatewayHost,
    steps: model.steps,
    main: html`<h1>${question}</h1>
<p class="lead">An app asks to use ${single ? 'this MCP server' : 'an MCP server'} in your name.</p>
<form method="post" action="${model.form.action}">
${hiddenFields(model.form)}
<dl class="facts">
${whoAsks(model.client)}
${whereTheAnswerGoes(model.redirect)}
${single && whatIsAllowed(single)}
</dl>
${single ? undefined : choice(model.routes)}
${details(model)}
<p>Next, you sign in with ${foreign(model.providerName)}.${model.knownAs.filter(({ isOwn }) => isOwn).map(introduces)}</p>
<div class="decision">
<button class="button" type="submit" name="decision" value="deny" formnovalidate>Deny</button>
<button class="button primary" type="submit" name="decision" value="approve">Allow and sign in</button>
</div>
<p class="foot">You did not start this? Choose Deny, and nothing is shared.</p>
</form>`,
  })
}

function whoAsks({ name, id, origin, host }: ConsentModel['client']): Html {
  const shown = name === undefined ? '' : displayName(name)
  if (origin === 'static') {
    return fact(
      'App',
      html`<strong class="name">${foreign(shown || id)}</strong>
<p class="note">Set up here by your administrator.</p>`,
    )
  }
  if (host !== undefined) {
    return html`${fact(
      'Published by',
      html`<span class="goes-to">${foreign(host)}</span>
<p class="note">This website describes the app; we have asked it.</p>`,
    )}
${fact(
  'App',
  html`<strong class="name">${foreign(shown)}</strong>
<p class="note">This is what it calls itself there. Nobody has checked the name.</p>`,
)}`
  }
  return shown === ''
    ? fact('App', html`It gives no name, and nobody has checked it.`)
    : fact(
        'App',
        html`<strong class="name">${foreign(shown)}</strong>
<p class="note">This is what it calls itself. Nobody has checked the name.</p>`,
      )
}

function whereTheAnswerGoes(redirect: ConsentModel['redirect']): Html {
  return fact('Access goes to', redirect.kind === 'https' ? toWebsite(redirect) : toThisDevice(redirect))
}

function toWebsite(redirect: { readonly host: string; readonly uri: string }): Html {
  return html`<span class="goes-to">${foreign(redirect.host)}</span>
<p class="note">A website, at ${foreign(shorten(redirect.uri, 100))}</p>`
}

/** Every program can listen on loopback, and every app can claim a scheme (RFC 8252 §8.6, B053). */
function toThisDevice(redirect: Exclude<RedirectTarget, { kind: 'https' }> & { readonly uri: string }): Html {
  const isLoopback = redirect.kind === 'loopback'
  const place = isLoopback ? redirect.host : `${redirect.scheme}:`
  return html`<span class="goes-to">${foreign(place)}</span>
<p class="note">${isLoopback ? 'A program on this computer' : 'An app on this device'}, at ${foreign(shorten(redirect.uri, 100))}</p>
<p class="notice">${
    isLoopback ? 'Any program on this computer could be asking.' : 'Any app on this device could claim this address.'
  } Allow this only if you have just started connecting it yourself.</p>`
}

function whatIsAllowed(route: ConsentRoute): Html {
  return html`${fact(
    'To use',
    html`<strong>${foreign(route.title)}</strong>
<p class="note">${foreign(route.resource)}</p>`,
  )}
${fact(
  'The server gets',
  html`<span class="phrase">${foreign(route.upstreamAccount)}</span>
${route.notices?.map((notice) => html`<p class="note">${foreign(notice)}</p>`)}`,
)}`
}

function choice(routes: readonly ConsentRoute[]): Html {
  return html`<fieldset>
<legend>Which server may it use?</legend>
${routes.map(
  (route) => html`<label class="choice">
<input type="radio" name="route" value="${route.path}" required>
<span><strong>${foreign(route.title)}</strong>
<span class="note">${foreign(route.resource)}</span>
<span class="note">The server gets ${foreign(route.upstreamAccount)}</span>
${route.notices?.map((notice) => html`<span class="note">${foreign(notice)}</span>`)}</span>
</label>`,
)}
</fieldset>`
}

/** People find this name again on the provider's own page, and in its list of connected applications. */
function introduces({ provider, name, id }: ConsentModel['knownAs'][number]): Html {
  return html` ${foreign(provider)} knows this app as <strong>${foreign(name ?? id ?? '')}</strong>.`
}

function details({ client, redirect, scopes, knownAs }: ConsentModel): Html {
  const permissions = scopes.map((scope) => (scope === DEFAULT_SCOPE ? `${scope} (use the server)` : scope)).join(', ')
  return html`<details>
<summary>Details</summary>
<dl>
${fact('App ID', html`<code>${foreign(client.id)}</code>`)}
${client.uri === undefined ? undefined : fact('Website that the app names', foreign(client.uri))}
${fact('Full address that access goes to', html`<code>${foreign(redirect.uri)}</code>`)}
${knownAs.map(({ provider, name, id }) =>
  fact(
    html`Application at ${foreign(provider)}`,
    html`${name === undefined ? '' : foreign(name)} ${id === undefined ? '' : html`<code>${foreign(id)}</code>`}`,
  ),
)}
${scopes.length === 0 ? undefined : fact('Permissions', html`<code>${foreign(permissions)}</code>`)}
</dl>
</details>`
}

function fact(term: string | Html, description: Html): Html {
  return html`<div>
<dt>${term}</dt>
<dd>${description}</dd>
</div>`
}
