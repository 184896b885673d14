import type { Logger } from 'pino'

/** Facts that somebody will want to look up later. They name who, with what, on which route; never a secret. */
export type AuditEvent = { readonly requestId?: string } & (
  | { readonly event: 'client_registered'; readonly clientId: string; readonly clientName?: string }
  | { readonly event: 'consent_given' | 'consent_denied'; readonly clientId: string; readonly routePath?: string }
  | {
      readonly event: 'signed_in'
      readonly provider: string
      readonly subject: string
      readonly email?: string
      readonly clientId: string
      readonly routePath: string
      readonly grantId: string
    }
  | {
      readonly event: 'sign_in_failed'
      readonly provider: string
      readonly clientId: string
      readonly routePath: string
      readonly reason: string
    }
  | {
      readonly event: 'access_denied'
      readonly provider: string
      readonly subject: string
      readonly email?: string
      readonly routePath: string
      readonly reason: string
    }
  | {
      readonly event: 'token_issued' | 'token_refreshed' | 'token_retried'
      readonly clientId: string
      readonly routePath: string
      readonly grantId: string
    }
  | { readonly event: 'code_replayed' | 'refresh_token_reused'; readonly clientId: string; readonly grantId: string }
  | { readonly event: 'grant_revoked'; readonly grantId: string; readonly reason: string }
)

/** Takes note of a fact; never throws and never waits. */
export type Audit = (event: AuditEvent) => void

/** An audit trail in the log, one JSON line per fact, marked `"audit":true`. */
export function createAudit(logger: Logger): Audit {
  const trail = logger.child({ audit: true })
  return (event) => trail.info(event, event.event)
}
