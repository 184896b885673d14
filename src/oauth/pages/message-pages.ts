import { displayName } from '../../domain/client.ts'
import type { RedirectTarget } from '../../domain/redirect-uri.ts'
import { foreign, navigable } from './foreign-text.ts'
import { type Html, type HtmlDocument, html } from './html.ts'
import { layOut } from './layout.ts'

/** Something went wrong, told without anything that the caller sent. */
export interface ErrorModel {
  readonly title: string
  /** What happened, in one sentence. */
  readonly what: string
  /** What the reader can do now. */
  readonly next: string
  /** For the operator, who finds it in the log. */
  readonly requestId: string
  /** Where the client wants the error sent, when that may only happen by the user's own click (A-18). */
  readonly continue?: { readonly href: string; readonly host: string; readonly label: string }
}

/** The page for problems that must not be answered with a redirect (RFC 6749 §4.1.2.1). Throws on an unsafe `href`. */
export function errorPage(model: ErrorModel): HtmlDocument {
  return layOut({
    title: model.title,
    main: html`<h1>${foreign(model.title)}</h1>
<p>${foreign(model.what)}</p>
<p>${foreign(model.next)}</p>
${model.continue && interstitial(model.continue)}
<p class="foot">Reference for your administrator: <code>${foreign(model.requestId)}</code></p>`,
  })
}

/** An answer that is on its way to a program outside the browser. */
export interface HandOffModel {
  readonly clientName?: string
  readonly target: RedirectTarget
  /** The redirect URI with the answer in it. */
  readonly href: string
}

/**
 * Sends the browser to the client and stays readable where that navigation is blocked or nobody answers: the same
 * address stands there as a link (A-41). Throws on an unsafe `href`.
 */
export function handOffPage(model: HandOffModel): HtmlDocument {
  const name = model.clientName === undefined ? '' : displayName(model.clientName)
  const app = name === '' ? 'the app' : foreign(name)
  const href = navigable(model.href)
  return layOut({
    title: 'You are signed in',
    head: html`
<meta http-equiv="refresh" content="0;url=${href}">`,
    main: html`<h1>You are signed in</h1>
<p>You may close this window and go back to ${app}.</p>
<p class="lead">Did nothing happen there? Then open it from here:</p>
<a class="button primary" href="${href}" rel="noreferrer"><span>Open ${app}</span></a>
<p class="foot">This opens ${whoListens(model.target)}.</p>`,
  })
}

function interstitial({ href, host, label }: NonNullable<ErrorModel['continue']>): Html {
  return html`<p class="notice">The app wants to hear about this at <strong>${foreign(host)}</strong>. Nobody has checked that address. Go there only if you know it.</p>
<p><a class="button" href="${navigable(href)}" rel="noreferrer">${foreign(label)}</a></p>`
}

function whoListens(target: RedirectTarget): Html {
  switch (target.kind) {
    case 'https':
      return html`the website <strong>${foreign(target.host)}</strong>`
    case 'loopback':
      return html`a program on this computer, at <strong>${foreign(target.host)}</strong>`
    case 'private-scheme':
      return html`the app on this device that <strong>${foreign(`${target.scheme}:`)}</strong> links belong to`
  }
}
