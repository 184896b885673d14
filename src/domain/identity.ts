/**
 * Who a provider says the user is. The key is (provider, subject), never the e-mail address (OpenID Connect Core §5.7).
 * `email` is present only when the provider vouches for it.
 */
export interface Identity {
  readonly provider: string
  readonly subject: string
  readonly email?: string
  readonly name?: string
  readonly groups: readonly string[]
}
