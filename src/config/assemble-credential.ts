import type { CredentialRule, PatProbe } from '../domain/credential.ts'
import { type InjectedHeader, parseHeaderTemplate } from '../domain/header-template.ts'
import type { ParsedGateway } from './schema.ts'

type ParsedRoute = ParsedGateway['routes'][string]
type ParsedCredential = ParsedRoute['credential']

/** What a route's MCP server gets, by a file without problems. */
export function toCredential(parsed: ParsedRoute): CredentialRule {
  const { credential } = parsed
  switch (credential.kind) {
    case 'none':
      return { kind: 'none' }
    case 'static': {
      const { value, notice } = credential
      return { kind: 'static', value, ...(notice === undefined ? {} : { notice }) }
    }
    case 'user-pat':
      return toUserPat(credential)
    case 'signed-jwt':
      return {
        kind: 'signed-jwt',
        audience: credential.audience ?? parsed.upstream.href,
        lifetimeMs: credential.lifetime,
      }
    case 'provider-token':
      return { kind: 'provider-token', provider: credential.provider ?? parsed.sign_in ?? '' }
    case 'token-exchange':
      return toTokenExchange(credential, credential.provider ?? parsed.sign_in ?? '')
  }
}

function toTokenExchange(
  parsed: Extract<ParsedCredential, { kind: 'token-exchange' }>,
  provider: string,
): CredentialRule {
  const { requested_token_type: requestedTokenType } = parsed
  const request = {
    audiences: [...new Set(parsed.audience ?? [])],
    resources: [...new Set(parsed.resource ?? [])],
    scopes: [...new Set(parsed.scope ?? [])],
    subjectTokenType: parsed.subject_token_type,
    ...(requestedTokenType === undefined ? {} : { requestedTokenType }),
  }
  return { kind: 'token-exchange', provider, request }
}

function toUserPat(parsed: Extract<ParsedCredential, { kind: 'user-pat' }>): CredentialRule {
  const { label, create_url: createUrl, help, probe } = parsed
  return {
    kind: 'user-pat',
    label,
    ...(createUrl === undefined ? {} : { createUrl }),
    ...(help === undefined ? {} : { help }),
    ...(probe === undefined ? {} : { probe: toProbe(probe) }),
  }
}

function toProbe(parsed: NonNullable<Extract<ParsedCredential, { kind: 'user-pat' }>['probe']>): PatProbe {
  const { url, headers, account, scopes, expires } = parsed
  return {
    url,
    headers: headers ? toHeaders(headers) : bearerHeader(),
    ...(account === undefined ? {} : { account }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(expires === undefined ? {} : { expires }),
  }
}

/** Headers as they are sent; their names in lower case. */
export function toHeaders(parsed: NonNullable<ParsedRoute['inject']>): InjectedHeader[] {
  return Object.entries(parsed).map(([name, template]) => ({ name: name.toLowerCase(), template }))
}

/** How a credential is sent where nothing else is said. */
export function bearerHeader(): InjectedHeader[] {
  const bearer = parseHeaderTemplate('Bearer {credential}')
  return bearer.ok ? [{ name: 'authorization', template: bearer.value }] : []
}
