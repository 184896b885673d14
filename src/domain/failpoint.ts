/** Points between two steps that must not come apart, by name: a process that ends there must lose nothing. */
export const FAILPOINTS = [
  'refresh.claimed',
  'refresh.answered',
  'refresh.committed',
  'callback.taken',
  'callback.exchanged',
  'callback.stored',
  'token.checked',
  'token.redeemed',
  'token.rotated',
] as const

export type Failpoint = (typeof FAILPOINTS)[number]

/** Called at each point, in tests that end the process there; absent otherwise. */
export type Failpoints = (point: Failpoint) => void
