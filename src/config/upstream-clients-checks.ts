import type { ConfigPath, PlacedFault } from './fault.ts'
import { valueAt } from './shape.ts'

/** What several values of `upstream_clients` decide together; `path` is the provider's. */
export function checkUpstreamClients(root: unknown, path: ConfigPath): PlacedFault[] {
  const rules = valueAt(root, [...path, 'upstream_clients', 'rules'])
  return [
    ...checkSharedClient(root, path),
    ...(Array.isArray(rules) ? checkRules(rules, [...path, 'upstream_clients', 'rules']) : []),
    ...checkRegistration(root, path),
  ]
}

/** Where every MCP client gets a client of its own, nobody is the one of the block. */
function checkSharedClient(root: unknown, path: ConfigPath): PlacedFault[] {
  const type = valueAt(root, [...path, 'type'])
  const clients = [...path, 'upstream_clients']
  if (type === 'password')
    return valueAt(root, clients) === undefined
      ? []
      : [
          {
            path: clients,
            problem: 'means nothing where users sign in with a password: there is no provider that could know clients',
            fix: 'remove it, or write it on a provider of type oidc or oauth2',
          },
        ]
  const isKnown = type === 'oidc' || type === 'oauth2'
  const isMirrored = valueAt(root, [...clients, 'mode']) === 'mirrored'
  if (!isKnown || isMirrored || valueAt(root, [...path, 'client_id']) !== undefined) return []
  return [
    {
      path: [...path, 'client_id'],
      problem: 'is missing',
      fix: 'write for example client_id: gatehouse; it may be left out with upstream_clients: { mode: mirrored } alone',
    },
  ]
}

/** Without OpenID Connect there are no metadata that could say where. */
function checkRegistration(root: unknown, path: ConfigPath): PlacedFault[] {
  const type = valueAt(root, [...path, 'type'])
  const clients = [...path, 'upstream_clients']
  const isMirrored = valueAt(root, [...clients, 'mode']) === 'mirrored'
  if (type !== 'oauth2' || !isMirrored || valueAt(root, [...clients, 'registration_endpoint']) !== undefined) return []
  return [
    {
      path: [...clients, 'registration_endpoint'],
      problem: 'is missing: nothing else says where clients are registered at this provider',
      fix: 'name the endpoint (RFC 7591), or use mode: mapped',
    },
  ]
}

function checkRules(rules: readonly unknown[], path: ConfigPath): PlacedFault[] {
  const matches = rules.map((rule) => valueAt(rule, ['match'])).map((match) => canonical(match))
  return matches.flatMap((match, index): PlacedFault[] => {
    if (match === '[]')
      return [
        {
          path: [...path, index, 'match'],
          problem: 'is empty, so that it would fit every client',
          fix: 'name what must be true, such as client_id_host: claude.ai; whom no rule fits gets the client of the provider',
        },
      ]
    const first = matches.indexOf(match)
    return match === undefined || first === index
      ? []
      : [
          {
            path: [...path, index, 'match'],
            problem: `is the same as that of rule ${first + 1}, which always comes first`,
            fix: 'remove one of the two',
          },
        ]
  })
}

function canonical(match: unknown): string | undefined {
  if (typeof match !== 'object' || match === null || Array.isArray(match)) return undefined
  return JSON.stringify(Object.entries(match).sort(([a], [b]) => (a < b ? -1 : 1)))
}
