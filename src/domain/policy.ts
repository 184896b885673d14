import type { Identity } from './identity.ts'
import type { Route } from './route.ts'

/** Who may use a route. A user who matches any list is in; lists that are absent match nobody. */
export interface AllowRule {
  readonly emailDomains: readonly string[]
  readonly groups: readonly string[]
  /** Verified e-mail addresses (lower case) or subjects. */
  readonly users: readonly string[]
}

export type Decision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: 'not_on_list' | 'no_verified_email' }

/** Whether `identity` may use `route`, on verified claims alone. Asked at sign-in and whenever a token is looked up. */
export function decide(route: Pick<Route, 'allow' | 'inject' | 'signIn'>, identity: Identity): Decision {
  const { allow, signIn } = route
  // The lists were written for the users of that provider: nobody who signed in elsewhere is on them.
  if (signIn !== undefined && identity.provider !== signIn) return { allowed: false, reason: 'not_on_list' }
  if (allow && !isListed(allow, identity)) return { allowed: false, reason: 'not_on_list' }
  const needsEmail = route.inject.some((header) => header.template.needs.has('user.email'))
  if (needsEmail && identity.email === undefined) return { allowed: false, reason: 'no_verified_email' }
  return { allowed: true }
}

function isListed(allow: AllowRule, identity: Identity): boolean {
  const email = identity.email?.toLowerCase()
  const domain = email?.slice(email.lastIndexOf('@') + 1)
  return (
    (domain !== undefined && allow.emailDomains.includes(domain)) ||
    (email !== undefined && allow.users.includes(email)) ||
    // Some providers let people choose a subject that looks like somebody's address: an address counts when verified.
    (!identity.subject.includes('@') && allow.users.includes(identity.subject)) ||
    allow.groups.some((group) => identity.groups.includes(group))
  )
}
