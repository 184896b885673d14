import type { ServerMetadata } from 'openid-client'
import { createLastRead, isYounger } from './last-read.ts'
import { ProviderTrouble } from './provider-http.ts'

/** A provider's metadata as it was read; the text is handed to openid-client again for every operation. */
export interface LoadedMetadata {
  readonly document: string
  readonly metadata: Readonly<ServerMetadata>
}

/** Metadata are read when first needed and kept; it is fine that they cannot be read at start (C27). */
export interface MetadataCache {
  /** Throws {@link ProviderTrouble} when they have never been read and cannot be read now. */
  get(): Promise<LoadedMetadata>
}

const FRESH_MS = 60 * 60 * 1000

/** A cache in front of `load`: callers share one attempt, and old metadata serve while newer cannot be had. */
export function createMetadataCache(load: () => Promise<LoadedMetadata>, now: () => number): MetadataCache {
  const last = createLastRead(load, now)
  return {
    async get() {
      const { known, failed } = last
      if (known) {
        // The failure is kept; the next caller after the pause tries again.
        if (!isYounger(known, FRESH_MS, now) && !last.isHeldOff()) last.readAnew().catch(() => undefined)
        return known.value
      }
      if (last.isHeldOff()) throw failed?.value
      return last.readAnew()
    },
  }
}

/** Whether `url` is on this machine, the only place where http is acceptable. */
export function isLoopback(url: URL): boolean {
  return url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.[0-9]{1,3}){3}$/.test(url.hostname)
}

/**
 * Refuses metadata whose endpoints are missing, unencrypted, or point from a public issuer back into this machine
 * (B128). Other public hosts are fine: large providers use several. Throws {@link ProviderTrouble} `misconfigured`.
 */
export function checkEndpoints(issuer: URL, metadata: Readonly<ServerMetadata>): void {
  const { authorization_endpoint, token_endpoint, jwks_uri, userinfo_endpoint, revocation_endpoint } = metadata
  const optional = [userinfo_endpoint, revocation_endpoint].filter((endpoint) => endpoint !== undefined)
  const endpoints = [authorization_endpoint, token_endpoint, jwks_uri, ...optional]
  if (!endpoints.every((endpoint) => isAcceptable(issuer, endpoint)))
    throw new ProviderTrouble('misconfigured', 'metadata_endpoint_refused')
}

/** Whether secrets may be sent to an endpoint that the metadata of `issuer` name. */
export function isAcceptable(issuer: URL, endpoint: unknown): endpoint is string {
  const url = typeof endpoint === 'string' ? URL.parse(endpoint) : null
  if (url?.username !== '' || url.password !== '' || url.hash !== '') return false
  if (isLoopback(url)) return isLoopback(issuer) && (url.protocol === 'http:' || url.protocol === 'https:')
  return url.protocol === 'https:'
}
