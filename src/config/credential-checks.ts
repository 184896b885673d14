import type { ConfigPath, PlacedFault } from './fault.ts'
import { keysOf } from './planned.ts'
import { valueAt } from './shape.ts'

/** What an exchange may ask for besides scopes; on-behalf-of knows nothing of it. */
const TARGETS = ['audience', 'resource', 'requested_token_type', 'subject_token_type']

/** The provider whose token the server gets, or has exchanged: one that exists, has tokens, and can do what is asked. */
export function checkTokenProvider(root: unknown, route: ConfigPath, signIn: string): PlacedFault[] {
  const kind = valueAt(root, [...route, 'credential', 'kind'])
  if (kind !== 'provider-token' && kind !== 'token-exchange') return []
  const path = [...route, 'credential', 'provider']
  const provider = valueAt(root, path) ?? signIn
  if (typeof provider !== 'string') return []
  if (!keysOf(root, ['providers']).includes(provider))
    return [{ path, problem: 'names a provider that does not exist', fix: 'declare it under providers' }]
  if (valueAt(root, ['providers', provider, 'type']) === 'password')
    return [
      {
        path: [...route, 'credential', 'kind'],
        problem: 'asks for the tokens of a password provider, which has none',
        fix: 'use kind: user-pat, static or none, or name a provider that issues tokens',
      },
    ]
  return kind === 'token-exchange' ? checkExchange(root, [...route, 'credential'], provider) : []
}

function checkExchange(root: unknown, credential: ConfigPath, provider: string): PlacedFault[] {
  const style = valueAt(root, ['providers', provider, 'token_exchange', 'style']) ?? 'rfc8693'
  const isGiven = (key: string) => valueAt(root, [...credential, key]) !== undefined
  if (style === 'none')
    return [
      {
        path: [...credential, 'kind'],
        problem: 'asks a provider that exchanges no tokens',
        fix: 'use kind: provider-token, or name another provider',
      },
    ]
  if (style !== 'on-behalf-of')
    return ['audience', 'resource', 'scope', 'requested_token_type'].some(isGiven)
      ? []
      : [
          {
            path: credential,
            problem: 'does not say what the token shall be for',
            fix: 'add audience: (or resource: or scope:), as the provider knows the server',
          },
        ]
  return [
    ...TARGETS.filter(isGiven).map((key) => ({
      path: [...credential, key],
      problem: 'is nothing that the on-behalf-of flow of this provider knows',
      fix: 'remove it, and name the server in scope, such as api://wiki/.default',
    })),
    ...(isGiven('scope')
      ? []
      : [
          {
            path: credential,
            problem: 'lacks scope, without which this provider issues no token on behalf of a user',
            fix: 'add scope, such as api://wiki/.default',
          },
        ]),
  ]
}
