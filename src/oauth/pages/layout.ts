import { createHash } from 'node:crypto'
import { foreign, visible } from './foreign-text.ts'
import { type Html, type HtmlDocument, html, toDocument } from './html.ts'
import { type Steps, stepList } from './steps.ts'
import { STYLESHEET } from './stylesheet.ts'

/** What surrounds every page. */
export interface Layout {
  /** Of the window; plain text. */
  readonly title: string
  /** Where the reader is; shown beside the wordmark. */
  readonly gatewayHost?: string
  /** Present where this page is one of several. */
  readonly steps?: Steps | undefined
  /** Further elements of `<head>`. */
  readonly head?: Html
  readonly main: Html
}

/** A form as the endpoint wants it back: where it is posted, and what travels along unseen. */
export interface Form {
  readonly action: string
  readonly hidden: Readonly<Record<string, string>>
}

const STYLE_HASH = createHash('sha256').update(STYLESHEET.toString()).digest('base64')

/**
 * The Content-Security-Policy of every page: one stylesheet, by its hash, and nothing else. There is no
 * `form-action`: Chromium holds it against the redirects that follow, down to the client's own address.
 */
export const PAGE_CSP = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'`

/** The response headers of every page (A-22, A-34, B107); HSTS is set for all answers elsewhere. */
export function pageHeaders(): Record<string, string> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': PAGE_CSP,
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'x-robots-tag': 'noindex',
  }
}

/** A whole page around `main`. */
export function layOut({ title, gatewayHost, steps, head, main }: Layout): HtmlDocument {
  const host = gatewayHost === undefined ? undefined : html`<span class="host">${foreign(gatewayHost)}</span>`
  return toDocument(html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${visible(title)} – Gatehouse</title>${head}
<style>${STYLESHEET}</style>
</head>
<body>
<header><span class="wordmark">Gatehouse</span>${host}</header>
<main>
${steps && stepList(steps)}
${main}
</main>
</body>
</html>
`)
}

/** The hidden fields of a form. */
export function hiddenFields(form: Form): readonly Html[] {
  return Object.entries(form.hidden).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)
}
