import { matchesGlob } from './glob.ts'

/** What a scope of a route permits; names may hold `*`. */
export interface ScopeRule {
  readonly name: string
  readonly methods: readonly string[]
  readonly tools: readonly string[]
  /** Itself and every narrower scope, however deep (MCP 2026-07-28: broader scopes satisfy narrower ones). */
  readonly implies: readonly string[]
}

/** The `tools` and `scopes` of a route. */
export interface MessageRules {
  /** Absent: every tool that is not denied. */
  readonly allow?: readonly string[]
  readonly deny: readonly string[]
  /** Empty: one scope is as good for everything. */
  readonly scopes: readonly ScopeRule[]
}

/** What a message asks a server to do; `tool` is present for `tools/call`. */
export interface Operation {
  readonly method: string
  readonly tool?: string
}

export type OperationDecision =
  | { readonly outcome: 'allowed' }
  /** A new authorization with these scopes would do; none of them implies another. */
  | { readonly outcome: 'missing'; readonly scopes: readonly string[] }
  /** No authorization would do: the operator rules it out. */
  | { readonly outcome: 'denied' }

/** Methods that no scope has to permit: without them nothing can be asked at all. */
export const OPEN_METHODS: readonly string[] = ['initialize', 'ping', 'server/discover']

const ALLOWED: OperationDecision = { outcome: 'allowed' }
const DENIED: OperationDecision = { outcome: 'denied' }

/**
 * Whether a token with the scopes `granted` may do all of `operations`, and if not, everything that is missing for them at
 * once (S-05). What an operator denies stays denied under every scope (S-07). A method that no scope names is open to each
 * of them; a tool is not, once any scope names tools: those that a server adds later are nobody's until somebody says so.
 */
export function decideOperations(
  rules: MessageRules,
  granted: readonly string[],
  operations: readonly Operation[],
): OperationDecision {
  let held = granted
  let missing: ScopeRule[] = []
  for (const operation of operations) {
    const decision = decide(rules, held, operation)
    if (decision === 'denied') return DENIED
    if (decision === 'allowed') continue
    missing = [...missing.filter(({ name }) => !decision.implies.includes(name)), decision]
    held = [...held, decision.name]
  }
  return missing.length === 0 ? ALLOWED : { outcome: 'missing', scopes: missing.map(({ name }) => name) }
}

/** The one scope to ask for, if that would help. */
function decide(rules: MessageRules, held: readonly string[], operation: Operation): 'allowed' | 'denied' | ScopeRule {
  const { method, tool } = operation
  if (tool !== undefined && !isPermitted(rules, tool)) return 'denied'
  if (rules.scopes.length === 0 || isOpen(method)) return 'allowed'
  const permitting = rules.scopes.filter((scope) => permits(scope, operation))
  if (permitting.length === 0) {
    const areToolsNamed = rules.scopes.some(({ tools }) => tools.length > 0)
    return tool !== undefined && areToolsNamed ? 'denied' : 'allowed'
  }
  const isHeld = rules.scopes.some(
    ({ name, implies }) => held.includes(name) && permitting.some((scope) => implies.includes(scope.name)),
  )
  return isHeld ? 'allowed' : (narrowest(permitting, operation) ?? 'denied')
}

/** What was decided lately by the rules of a route; callers choose the names, so there is a bound to them. */
const DECIDED = new WeakMap<MessageRules, Map<string, boolean>>()
const DECIDED_NAMES = 1000
const DECIDED_NAME_LENGTH = 128

function isPermitted(rules: MessageRules, tool: string): boolean {
  let decided = DECIDED.get(rules)
  if (!decided) {
    decided = new Map()
    DECIDED.set(rules, decided)
  }
  const known = decided.get(tool)
  if (known !== undefined) return known
  const permitted = matchesRules(rules, tool)
  if (decided.size < DECIDED_NAMES && tool.length <= DECIDED_NAME_LENGTH) decided.set(tool, permitted)
  return permitted
}

function matchesRules({ allow, deny }: MessageRules, tool: string): boolean {
  const isNamed = (pattern: string) => matchesGlob(pattern, tool)
  // A server may trim a name or read it in other letters: whatever could mean a denied tool is denied.
  const folded = fold(tool)
  const isDenied = (pattern: string) => isNamed(pattern) || matchesGlob(fold(pattern), folded)
  return !deny.some(isDenied) && (allow === undefined || allow.some(isNamed))
}

function fold(name: string): string {
  return name.normalize('NFKC').trim().toLowerCase()
}

function isOpen(method: string): boolean {
  return OPEN_METHODS.includes(method) || method.startsWith('notifications/')
}

function permits(scope: ScopeRule, operation: Operation): boolean {
  return patternsFor(scope, operation).length > 0
}

/** What of a scope permits the operation. A method in other letters is the same to some servers. */
function patternsFor({ methods, tools }: ScopeRule, { method, tool }: Operation): readonly string[] {
  const folded = method.toLowerCase()
  const byMethod = methods.filter((pattern) => matchesGlob(pattern.toLowerCase(), folded))
  return tool === undefined ? byMethod : [...byMethod, ...tools.filter((pattern) => matchesGlob(pattern, tool))]
}

/**
 * Nobody is asked for more than it takes: not for a scope that implies another one of these, and then for the one that
 * names the operation most precisely. Among equals the first one.
 */
function narrowest(permitting: readonly ScopeRule[], operation: Operation): ScopeRule | undefined {
  const impliesAnother = ({ name, implies }: ScopeRule) =>
    permitting.some((other) => other.name !== name && implies.includes(other.name))
  const precision = (scope: ScopeRule) => Math.max(...patternsFor(scope, operation).map(precisionOf))
  return permitting
    .filter((scope) => !impliesAnother(scope))
    .reduce<ScopeRule | undefined>(
      (best, scope) => (best === undefined || precision(scope) > precision(best) ? scope : best),
      undefined,
    )
}

function precisionOf(pattern: string): number {
  return pattern.includes('*') ? pattern.replaceAll('*', '').length : Number.POSITIVE_INFINITY
}
