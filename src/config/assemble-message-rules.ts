import type { Route } from '../domain/route.ts'
import { DEFAULT_SCOPE } from '../domain/scope.ts'
import type { ParsedGateway } from './schema.ts'

type ParsedRoute = Pick<ParsedGateway['routes'][string], 'tools' | 'scopes' | 'default_scopes'>

/** The scopes of a route, and the rules that it has if it says anything about tools or scopes. */
export function toMessageRules(parsed: ParsedRoute): Pick<Route, 'scopes' | 'defaultScopes' | 'rules'> {
  const { tools, scopes, default_scopes } = parsed
  if (!tools && !scopes) return { scopes: [DEFAULT_SCOPE] }
  const declared = Object.entries(scopes ?? {})
  const includes = new Map(declared.map(([name, scope]) => [name, scope.includes ?? []]))
  return {
    ...(scopes
      ? {
          scopes: [...includes.keys()],
          defaultScopes: default_scopes ?? [...includes.keys()].filter((name) => includes.get(name)?.length === 0),
        }
      : { scopes: [DEFAULT_SCOPE] }),
    rules: {
      ...(tools?.allow ? { allow: tools.allow } : {}),
      deny: tools?.deny ?? [],
      scopes: declared.map(([name, scope]) => ({
        name,
        methods: scope.methods ?? [],
        tools: scope.tools ?? [],
        implies: implied(name, includes),
      })),
    },
  }
}

function implied(name: string, includes: ReadonlyMap<string, readonly string[]>): string[] {
  const reached = new Set([name])
  for (const one of reached) for (const narrower of includes.get(one) ?? []) reached.add(narrower)
  return [...reached]
}
