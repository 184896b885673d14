import { tokenProviderOf } from '../domain/credential.ts'
import type { SignInRoute } from '../domain/route.ts'
import type { Steps } from './pages.ts'

/** Where in an authorization a page is shown. */
export type Stop = 'approve' | 'sign-in' | 'connect'

/**
 * The whole way of a user whose route needs more than a sign-in, so that nobody takes the second leg for a mistake;
 * undefined where approving and signing in is all. `remembered`: nobody is asked to approve this time.
 */
export function stepsOf(route: SignInRoute, at: Stop, remembered = false): Steps | undefined {
  const second = secondLegOf(route)
  if (second === undefined) return undefined
  const stops: readonly (readonly [Stop, string])[] = [
    ...(remembered ? [] : [['approve', 'Approve'] as const]),
    ['sign-in', `Sign in at ${route.signIn}`],
    ['connect', `Connect ${second}`],
  ]
  return { names: stops.map(([, name]) => name), current: stops.findIndex(([stop]) => stop === at) }
}

/** What the user connects after the sign-in, if anything. */
function secondLegOf({ credential, signIn, title }: SignInRoute): string | undefined {
  if (credential.kind === 'user-pat') return title
  const provider = tokenProviderOf(credential)
  return provider === signIn ? undefined : provider
}
