import type { Message, ReadBody } from './message.ts'

/** The headers that repeat parts of a body (MCP 2026-07-28, SEP-2243), as they came. */
export interface MirroredHeaders {
  readonly version?: string | undefined
  readonly method?: string | undefined
  readonly name?: string | undefined
  /** Whether the request says that it is of a revision that requires them. */
  readonly areRequired: boolean
}

/** Whether the headers say what the body says; a request of a newer revision must have them (P-13). */
export function agree(headers: MirroredHeaders, body: ReadBody): boolean {
  if (body.isBatch) return headers.method === undefined && headers.name === undefined
  return body.messages.every((message) => agreesWith(headers, message))
}

/** The value of a header that may be written as `=?base64?…?=`; undefined when it is written so and is not UTF-8 in base64. */
export function decodeMirrored(value: string): string | undefined {
  if (!value.startsWith(PREFIX) || !value.endsWith(SUFFIX)) return value
  const encoded = value.slice(PREFIX.length, -SUFFIX.length)
  if (!BASE64.test(encoded)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(encoded, 'base64'))
  } catch {
    return undefined
  }
}

const PREFIX = '=?base64?'
const SUFFIX = '?='
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function agreesWith({ version, method, name, areRequired }: MirroredHeaders, message: Message): boolean {
  const isRequired = areRequired && message.isRequest
  if (method === undefined ? isRequired : method !== message.operation?.method) return false
  if (version !== undefined && message.version !== undefined && version !== message.version) return false
  if (name === undefined) return !isRequired || message.name === undefined
  const decoded = decodeMirrored(name)
  return decoded !== undefined && (message.name === undefined || decoded === message.name)
}
