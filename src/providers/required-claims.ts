import type { RequiredClaims } from '../domain/provider-profile.ts'

/** Whether every claim has one of the values asked for; a list has it when one of its entries has (U-11). */
export function hasRequiredClaims(required: RequiredClaims, read: (claim: string) => unknown): boolean {
  return Object.entries(required).every(([claim, values]) => {
    const found = read(claim)
    return (Array.isArray(found) ? found : [found]).some((value) => typeof value === 'string' && values.includes(value))
  })
}
