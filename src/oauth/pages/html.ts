declare const page: unique symbol

/** A piece of markup that only {@link html} can make: everything put into it was escaped. */
export interface Html {
  toString(): string
}

/** The text of a whole HTML document, as it goes on the wire. */
export type HtmlDocument = string & { readonly [page]: true }

type Interpolation = string | Html | readonly Html[] | undefined

/** Who is in here was made by {@link html}; an object that merely looks like markup is refused. */
const markupOf = new WeakMap<object, string>()
const UNQUOTED_ATTRIBUTE = /\s[\w:-]+\s*=\s*$/

/**
 * Template for markup: strings are escaped for text and for quoted attribute values, pieces of {@link Html} pass,
 * undefined leaves nothing. There is no way to pass a string unescaped. Throws where an attribute value stands unquoted,
 * because no escaping would make that safe.
 */
export function html(literals: TemplateStringsArray, ...values: readonly Interpolation[]): Html {
  let text = ''
  literals.forEach((literal, index) => {
    if (UNQUOTED_ATTRIBUTE.test(literal) && index < values.length) throw new Error('an attribute value must be quoted')
    text += literal + render(values[index])
  })
  const markup: Html = Object.freeze({ toString: () => text })
  markupOf.set(markup, text)
  return markup
}

/** The finished document. Throws on anything that {@link html} did not make. */
export function toDocument(markup: Html): HtmlDocument {
  return `<!doctype html>\n${render(markup)}` as HtmlDocument
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

function render(value: Interpolation): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return escapeText(value)
  if (Array.isArray(value)) return value.map(render).join('')
  const markup = markupOf.get(value)
  if (markup === undefined) throw new Error('only strings and markup can stand in a page')
  return markup
}

/** NUL and lone surrogates have no place in a document of any encoding. */
function escapeText(text: string): string {
  return text
    .toWellFormed()
    .replaceAll('\0', '\ufffd')
    .replaceAll(/[&<>"'`]/g, (character) => ENTITIES[character] ?? '')
}
