import { displayName } from '../../domain/client.ts'
import { foreign, navigable } from './foreign-text.ts'
import { type Html, type HtmlDocument, html } from './html.ts'
import { type Form, hiddenFields, layOut } from './layout.ts'
import type { Steps } from './steps.ts'

/** Why the page is shown once more. */
export type ConnectProblem = 'not_a_token' | 'unknown_token' | 'forbidden' | 'probe_unavailable' | 'none_kept'

/** What a page tells of a token; its value is never shown. */
export interface ShownToken {
  readonly account?: string
  readonly scopes?: string
  /** ms since 1970. */
  readonly expiresAt?: number
}

/** Everything that the page for a user's own token says. */
export interface ConnectModel {
  readonly clientName?: string
  readonly routeTitle: string
  /** What the token is called, such as "GitHub personal access token". */
  readonly label: string
  readonly createUrl?: string
  readonly help?: string
  readonly steps?: Steps | undefined
  readonly gatewayHost: string
  readonly form: Form
  /** The token that the user gave before; not `usable` when its server has refused it, or it has ended. */
  readonly kept?: ShownToken & { readonly usable: boolean }
  /** A token that works, and that the user may keep now that its account is known. */
  readonly tried?: ShownToken
  readonly problem?: ConnectProblem
}

/**
 * Asks for a user's own token (`pat`), whether the one that was just tried is the right one (`decision=keep`), or whether
 * the one kept for this user may be used (`decision=reuse`).
 */
export function connectPage(model: ConnectModel): HtmlDocument {
  const name = model.clientName === undefined ? '' : displayName(model.clientName)
  const app = name === '' ? html`the app` : foreign(name)
  const { kept, tried } = model
  const offered = tried ?? (kept?.usable ? kept : undefined)
  return layOut({
    title: 'Connect your account',
    gatewayHost: model.gatewayHost,
    steps: model.steps,
    main: html`<h1>Connect ${foreign(model.routeTitle)}</h1>
<p class="lead">You are signed in. ${foreign(model.routeTitle)} works with your own ${foreign(model.label)}, so that ${app} acts as you and not as somebody else.</p>
${model.problem && alert(PROBLEMS[model.problem])}
${kept && !kept.usable && !tried ? alert('The token that you gave before does not work any more. Please give a new one.') : undefined}
${tried && html`<p>The token works. It belongs to this account:</p>`}
${offered && offer(offered, model.form, tried ? 'keep' : 'reuse')}
${tried && kept?.usable ? html`<p class="note">It then takes the place of the token that you gave before, for all of your apps.</p>` : undefined}
<form method="post" action="${model.form.action}">
${hiddenFields(model.form)}
${offered ? html`<h2>Or use another token</h2>` : undefined}
${howToCreate(model)}
<label class="field" for="pat">${foreign(model.label)}</label>
<input class="input" id="pat" name="pat" type="password" autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false" required${
      model.problem ? html` aria-invalid="true" aria-describedby="failure"` : undefined
    }>
<p class="note">It is tried, then kept encrypted for you and this server only. It is never shown again, and ${app} does not get it.</p>
<div class="decision">
<button class="button" type="submit" name="decision" value="deny" formnovalidate>Cancel</button>
<button class="button${offered ? '' : ' primary'}" type="submit" name="decision" value="connect">${offered ? 'Try it' : 'Connect'}</button>
</div>
</form>`,
  })
}

function offer(token: ShownToken, form: Form, decision: 'keep' | 'reuse'): Html {
  const { account, scopes, expiresAt } = token
  return html`<form method="post" action="${form.action}">
${hiddenFields(form)}
<dl class="facts">
<div>
<dt>${decision === 'keep' ? 'Account' : 'Connected as'}</dt>
<dd><strong>${account === undefined ? 'the token that you gave before' : foreign(account)}</strong>
${scopes === undefined ? undefined : html`<p class="note">May do: ${foreign(scopes)}</p>`}
${expiresAt === undefined ? undefined : html`<p class="note">Works until ${day(expiresAt)}</p>`}</dd>
</div>
</dl>
<p><button class="button primary" type="submit" name="decision" value="${decision}"><span>Continue${
    account === undefined ? undefined : html` as ${foreign(account)}`
  }</span></button></p>
</form>`
}

function howToCreate(model: ConnectModel): Html | undefined {
  if (model.createUrl === undefined && model.help === undefined) return undefined
  const link =
    model.createUrl === undefined
      ? undefined
      : html`<p>You create one at <a href="${navigable(model.createUrl)}" target="_blank" rel="noopener noreferrer">${foreign(model.createUrl)}</a> (opens in a new tab).</p>`
  return html`${link}
${model.help === undefined ? undefined : html`<p class="note">${foreign(model.help)}</p>`}`
}

function alert(text: string): Html {
  return html`<p class="alert" role="alert" id="failure">${text}</p>`
}

/** A day in UTC: the exact hour of an end weeks away helps nobody. */
function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

const PROBLEMS: Readonly<Record<ConnectProblem, string>> = {
  not_a_token: 'This does not look like a token. Copy it whole, without spaces or line breaks.',
  unknown_token: 'The token was refused: it is mistyped, has ended, or was revoked.',
  forbidden:
    'The token is known, but it is not allowed to do this. Check its permissions, and whether it is approved for your organization.',
  probe_unavailable: 'The token could not be tried right now. Nothing was kept. Try again in a moment.',
  none_kept: 'There is no token kept for you that works. Please give one.',
}
