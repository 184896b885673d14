import { createHash } from 'node:crypto'

/** How this deployment calls itself in `Via` (RFC 9110 §7.6.3): unique to its issuer, and telling nothing about it. */
export function viaPseudonym(issuer: string): string {
  return `gatehouse-${createHash('sha256').update(issuer).digest('hex').slice(0, 16)}`
}

/** Whether a request has been here before: forwarded once more, it would run in circles. */
export function cameBack(via: string | undefined, pseudonym: string): boolean {
  return via?.includes(pseudonym) === true
}
