import type { FastifyInstance } from 'fastify'
import { parseParameters, type RequestParameters } from '../domain/request-parameters.ts'

/** Larger than any honest token request, private_key_jwt included. */
export const FORM_LIMIT_BYTES = 64 * 1024

declare module 'fastify' {
  interface FastifyRequest {
    /** The parsed form body; undefined when the body was missing, of another type, or not well-formed. */
    form?: RequestParameters
  }
}

/**
 * Accepts application/x-www-form-urlencoded and nothing else in this scope (RFC 6749 §3.2): other bodies are read and
 * discarded, `request.form` stays undefined and the endpoint answers in its own words.
 */
export function acceptForms(scope: FastifyInstance): void {
  scope.decorateRequest('form')
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: FORM_LIMIT_BYTES }, (request, body, done) => {
    if (isForm(request.headers['content-type'])) {
      const text = decodeUtf8(body as Buffer)
      const parameters = text === undefined ? undefined : parseParameters(text)
      if (parameters?.ok) request.form = parameters.value
    }
    done(null, undefined)
  })
}

/** RFC 6749 Appendix B: UTF-8. Bytes that are none are refused instead of being replaced. */
function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** The media type alone decides; its parameters (charset) are ignored (RFC 6749 Appendix B: always UTF-8). */
function isForm(contentType: string | undefined): boolean {
  return /^application\/x-www-form-urlencoded[ \t]*(;[^,]*)?$/i.test(contentType ?? '')
}
