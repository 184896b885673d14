import { OPEN_METHODS } from '../domain/tool-policy.ts'
import type { ConfigPath, PlacedFault } from './fault.ts'
import { keysOf } from './planned.ts'
import { valueAt } from './shape.ts'

/** How the scopes of a route fit together. */
export function checkMessageRules(root: unknown, route: ConfigPath): PlacedFault[] {
  const at = [...route, 'scopes']
  const names = keysOf(root, at)
  const isThere = valueAt(root, at) !== undefined
  return [
    ...checkTools(root, [...route, 'tools']),
    ...(isThere && names.length === 0 && typeof valueAt(root, at) === 'object'
      ? [{ path: at, problem: 'names no scope', fix: 'name one, or leave scopes out' }]
      : []),
    ...names.flatMap((name) => [
      ...unknown(root, [...at, name, 'includes'], names),
      ...checkCycle(root, at, name),
      ...checkMethods(root, [...at, name, 'methods']),
    ]),
    ...checkDefaults(root, [...route, 'default_scopes'], isThere, names),
  ]
}

function checkTools(root: unknown, path: ConfigPath): PlacedFault[] {
  const tools = valueAt(root, path)
  const isBlock = typeof tools === 'object' && tools !== null && !Array.isArray(tools)
  const isEmpty = isBlock && keysOf(root, path).length === 0
  return isEmpty ? [{ path, problem: 'is empty', fix: 'write allow or deny, or leave tools out' }] : []
}

function checkMethods(root: unknown, path: ConfigPath): PlacedFault[] {
  return listAt(root, path).flatMap((method, index) =>
    OPEN_METHODS.includes(method) || method.startsWith('notifications/')
      ? [{ path: [...path, index], problem: 'is permitted to every token anyway', fix: 'leave it out' }]
      : [],
  )
}

function checkDefaults(root: unknown, path: ConfigPath, isThere: boolean, names: readonly string[]): PlacedFault[] {
  if (valueAt(root, path) === undefined) return []
  return isThere
    ? unknown(root, path, names)
    : [{ path, problem: 'has no scopes to choose from', fix: 'declare scopes, or leave default_scopes out' }]
}

function unknown(root: unknown, path: ConfigPath, names: readonly string[]): PlacedFault[] {
  return listAt(root, path).flatMap((name, index) =>
    names.includes(name)
      ? []
      : [
          {
            path: [...path, index],
            problem: 'names a scope that this route does not have',
            fix: 'declare it under scopes, or remove it',
          },
        ],
  )
}

/** Reported at each scope of the circle: every one of them is a place to cut it. */
function checkCycle(root: unknown, at: ConfigPath, name: string): PlacedFault[] {
  const path = [...at, name, 'includes']
  const reached = new Set<string>()
  const waiting = listAt(root, path)
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (reached.has(next)) continue
    reached.add(next)
    waiting.push(...listAt(root, [...at, next, 'includes']))
  }
  return reached.has(name)
    ? [{ path, problem: 'leads back to this scope', fix: 'let the broader scope include the narrower one only' }]
    : []
}

function listAt(root: unknown, path: ConfigPath): string[] {
  const list = valueAt(root, path)
  return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : []
}
