import type { Identity } from '../domain/identity.ts'
import type { IdentityMapping, IdentityRequest, RequiredClaims, TokenAnswerRules } from '../domain/provider-profile.ts'
import type { Secret } from '../domain/secret.ts'
import { readPath } from './identity-path.ts'
import { readIdentity } from './oidc-identity.ts'
import type { ReadIdentity } from './provider.ts'
import { errorCode, ProviderTrouble, troubleOfStatus } from './provider-http.ts'
import { hasRequiredClaims } from './required-claims.ts'
import { type Members, troubleOfCode } from './token-answer.ts'

/** One request of an operation, whose whole answer is returned; throws {@link ProviderTrouble} `unavailable`. */
export type Send = (url: string, options: SendOptions) => Promise<Response>

export interface SendOptions {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** What has to be known to say who a user is at a provider without id_token. */
export interface IdentityRules {
  readonly name: string
  readonly identity: IdentityMapping
  readonly requiredClaims: RequiredClaims
  readonly tokenAnswer: TokenAnswerRules
}

/** Who the user of an access token is. Throws as {@link rereadMappedIdentity} does. */
export async function readMappedIdentity(...args: Parameters<typeof rereadMappedIdentity>): Promise<Identity> {
  const read = await rereadMappedIdentity(...args)
  return read.identity
}

/**
 * The same, with whether an answer that may be missing was refused: then a part was read. Throws {@link ProviderTrouble}: `unavailable` when the provider could not be asked,
 * `dead` when a required claim is missing, `misconfigured` for every answer that does not name a subject.
 */
export async function rereadMappedIdentity(
  { name, identity, requiredClaims, tokenAnswer }: IdentityRules,
  accessToken: Secret,
  token: Members,
  send: Send,
): Promise<ReadIdentity & { readonly identity: Identity }> {
  const answers = await Promise.all(
    Object.entries(identity.requests).map(
      async ([document, request]) => [document, await ask(request, accessToken, tokenAnswer, send)] as const,
    ),
  )
  const documents = { ...Object.fromEntries(answers), token }
  const read = (path: string | undefined) => (path === undefined ? undefined : readPath(documents, path))
  const email = read(identity.email)
  const claims = {
    sub: joinSubject(identity.subject.map(read)),
    name: identity.name.map(read).find((value) => typeof value === 'string' && value.trim() !== ''),
    email,
    email_verified: identity.emailVerified === undefined || read(identity.emailVerified) === true,
    groups: read(identity.groups),
  }
  const found = readIdentity(name, [claims], 'groups')
  if (!found) throw new ProviderTrouble('misconfigured', 'subject_unusable')
  if (!hasRequiredClaims(requiredClaims, read)) throw new ProviderTrouble('dead', 'required_claim_missing')
  const refused = answers.flatMap(([document, answer]) => (answer === undefined ? [document] : []))
  if (refused.length === 0) return { outcome: 'read', identity: found }
  const isRefused = (path: string | undefined) => refused.some((document) => path?.split(/[.[]/, 1)[0] === document)
  const paths = { email: [identity.email], name: identity.name, groups: [identity.groups] }
  const unsaid = (['email', 'name', 'groups'] as const).filter((claim) => paths[claim].some(isRefused))
  return { outcome: 'partly-read', identity: found, silent: ['api'], unsaid }
}

async function ask(request: IdentityRequest, token: Secret, rules: TokenAnswerRules, send: Send): Promise<unknown> {
  const { url, method, headers, body, optional } = request
  const response = await send(url, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
      authorization: `Bearer ${token.reveal()}`,
    },
    ...(body === undefined ? {} : { body }),
  })
  if (response.status !== 200) {
    const trouble = troubleOfStatus(response.status)
    if (optional && trouble.effect === 'misconfigured') return undefined
    throw trouble
  }
  const document = parseJson(await response.text())
  if (document === undefined) throw new ProviderTrouble('unavailable', 'answer_not_json')
  // Some say no with status 200.
  const error = typeof document === 'object' && document !== null && 'error' in document ? document.error : undefined
  if (typeof error !== 'string') return document
  const { effect, reason } = troubleOfCode(errorCode(error), rules)
  throw new ProviderTrouble(effect === 'unavailable' ? effect : 'misconfigured', reason)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Numbers are the usual ids of accounts; a part that is missing would let two users be one. */
function joinSubject(parts: readonly unknown[]): string | undefined {
  const texts = parts.map((part) => (Number.isSafeInteger(part) ? String(part) : part))
  return texts.every((text) => typeof text === 'string' && text !== '') ? texts.join(':') : undefined
}
