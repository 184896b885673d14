import { acceptRedirectUri } from '../../domain/redirect-uri.ts'
import { type Html, html } from './html.ts'

/** Control, bidirectional, invisible and unassigned characters, which could make a text look like another. */
const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]/gu
/** No script needs more than three marks on one letter; towers of them paint over the lines around. */
const TOWER_OF_MARKS = /(\p{M}{3})\p{M}+/gu

/**
 * Text that somebody else chose, isolated in its own direction and free to break anywhere. Characters that could deceive
 * are shown as U+FFFD instead of taking effect (R-15, B028).
 */
export function foreign(text: string): Html {
  return html`<bdi>${visible(text)}</bdi>`
}

/** `text` with at most `maxLength` characters, an ellipsis in place of the rest. */
export function shorten(text: string, maxLength: number): string {
  const characters = [...text]
  return characters.length > maxLength ? `${characters.slice(0, maxLength - 1).join('')}…` : text
}

/** `text` as {@link foreign} shows it, for places without markup such as the title of a window. */
export function visible(text: string): string {
  return text.toWellFormed().replaceAll(DECEPTIVE, '\ufffd').replaceAll(TOWER_OF_MARKS, '$1')
}

/**
 * `href` if a browser may be sent there: https, http, or a private-use scheme that could be registered (RFC 8252 §7.1).
 * Throws on every other, so that no page ever links to `javascript:` or `data:`.
 */
export function navigable(href: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(href)?.[1]
  const isKnown = scheme === 'https' || scheme === 'http'
  if (scheme === undefined || !(isKnown || acceptRedirectUri(`${scheme}:/answer`).ok)) {
    throw new Error('a page may not link to this kind of address')
  }
  return href
}
