/** What the upstream process of a soak is started with. */
export interface UpstreamStart {
  /** The identity provider whose access tokens it takes. */
  readonly issuer: string
  /** Share of the POSTs whose connection it resets, 0 to 1. */
  readonly resetShare: number
}

/** What the tool `whoami` says about a call: four independent witnesses of whose it was. */
export interface Answer {
  /** As the caller gave it. */
  readonly nonce: string
  /** The owner of the provider's token that came with it. */
  readonly credentialOf: string
  /** The header that the gateway adds. */
  readonly identity: string | null
  /** Who opened the session, where there are sessions. */
  readonly sessionOwner?: string
}

/** The header in which the gateway names the user. */
export const IDENTITY_HEADER = 'x-soak-identity'
