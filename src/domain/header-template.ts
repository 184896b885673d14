import { fail, ok, type Result } from './result.ts'

/** What an `inject` template may name between braces. */
export type TemplateVariable = 'credential' | 'user.email' | 'user.sub'

/** A parsed `inject` value: literals and variables in order. */
export interface HeaderTemplate {
  readonly parts: readonly (string | { readonly variable: TemplateVariable })[]
  readonly needs: ReadonlySet<TemplateVariable>
}

/** One header that the gateway adds towards the MCP server. `name` is lower case. */
export interface InjectedHeader {
  readonly name: string
  readonly template: HeaderTemplate
}

const VARIABLES: readonly string[] = ['credential', 'user.email', 'user.sub'] satisfies TemplateVariable[]
/** RFC 9110 §5.5: visible ASCII, space and tab; nothing that could end the line. */
const FIELD_VALUE = /^[\t\x20-\x7e]*$/

/** Parses a template such as `Bearer {credential}`. Fails with a sentence that says what to write instead. */
export function parseHeaderTemplate(text: string): Result<HeaderTemplate, string> {
  const parts: (string | { variable: TemplateVariable })[] = []
  const needs = new Set<TemplateVariable>()
  for (const piece of text.split(/(\{[^{}]*\})/)) {
    if (piece.startsWith('{') && piece.endsWith('}')) {
      const variable = piece.slice(1, -1)
      if (!isVariable(variable)) return fail('only {credential}, {user.email} and {user.sub} can be used here')
      parts.push({ variable })
      needs.add(variable)
    } else if (/[{}]/.test(piece) || !FIELD_VALUE.test(piece)) {
      return fail('write printable ASCII, with {credential}, {user.email} or {user.sub} where a value belongs')
    } else if (piece !== '') {
      parts.push(piece)
    }
  }
  return ok({ parts, needs })
}

/**
 * The header value, or undefined when a variable has no value or the result could not be sent as one header line
 * (RFC 9110 §5.5). The caller must then refuse the request: a header is never sent half-filled.
 */
export function renderHeader(
  template: HeaderTemplate,
  values: Readonly<Partial<Record<TemplateVariable, string>>>,
): string | undefined {
  let rendered = ''
  for (const part of template.parts) {
    const text = typeof part === 'string' ? part : values[part.variable]
    if (text === undefined || text === '') return undefined
    rendered += text
  }
  return FIELD_VALUE.test(rendered) ? rendered : undefined
}

function isVariable(name: string): name is TemplateVariable {
  return VARIABLES.includes(name)
}
