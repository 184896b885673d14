import { mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { type DestinationStream, destination, type Logger, pino } from 'pino'
import type { Audit, AuditEvent } from './audit.ts'

/** Where the trail goes: among the log lines on standard output, or to a file of its own (appended to, one JSON line each). */
export type AuditDestination = { readonly kind: 'log' } | { readonly kind: 'file'; readonly file: string }

/** An audit trail; `close` writes out what is buffered. */
export interface AuditTrail {
  readonly audit: Audit
  /** Events that could not be written since the start. */
  lost(): number
  close(): Promise<void>
}

/** What a full disk may make us keep; events that come then are lost and counted (C63). */
const WAITING_BYTES = 16 * 1024 * 1024

/**
 * A write for each event would cost a busy gateway more than the calls that it notes; whoever follows the file waits so long
 * at the most, and so much is lost when the process is killed.
 */
const TOGETHER_BYTES = 8 * 1024
const TOGETHER_MS = 20

/** Opens the trail. Rejects with Node's error when the file cannot be written. */
export async function openAuditTrail(to: AuditDestination, logger: Logger): Promise<AuditTrail> {
  if (to.kind === 'log')
    return {
      audit: write(logger.child({ audit: true }, { level: 'info' }), () => {}),
      lost: () => 0,
      close: async () => {},
    }
  const dest = openPrivately(to.file)
  const stream = destination({ dest, minLength: TOGETHER_BYTES, sync: false, maxLength: WAITING_BYTES })
  let lost = 0
  let leaving: NodeJS.Timeout | undefined
  let isClosed = false
  const failed = (error: unknown) => logger.error({ err: error }, 'an audit event could not be written')
  stream.on('error', failed)
  stream.on('drop', () => {
    lost += 1
    // A full disk may have space again; nothing else would try.
    stream.flush()
  })
  const trail = pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime, messageKey: 'text' },
    stream as DestinationStream,
  )
  const note = write(trail, failed)
  function leave(): void {
    leaving = undefined
    stream.flush()
  }
  return {
    audit(event) {
      note(event)
      // Only after an event: to write nothing every few ms would occupy a thread, and on a full disk fill the log.
      if (!isClosed) leaving ??= setTimeout(leave, TOGETHER_MS).unref()
    },
    lost: () => lost,
    close() {
      isClosed = true
      clearTimeout(leaving)
      return new Promise((resolve) => stream.once('close', resolve).once('error', resolve).end())
    },
  }
}

/** Not left to the stream: one that could not open its file fails once more when the process ends, with a stack trace. */
function openPrivately(file: string): number {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  return openSync(file, 'a', 0o600)
}

/** Events whose outcome is a refusal; all others are successes. */
const REFUSALS: ReadonlySet<AuditEvent['event']> = new Set([
  'consent_denied',
  'sign_in_failed',
  'access_denied',
  'code_replayed',
  'refresh_token_reused',
  'audience_refused',
  'call_refused',
  'session_refused',
  'credential_refused',
  'token_exchange_refused',
])

/** What is noted has happened: whoever notes it must not fail over it. Where the log is the trail there is nobody to tell. */
function write(trail: Logger, failed: (error: unknown) => void): Audit {
  return (event) => {
    try {
      trail.info({ ...event, outcome: REFUSALS.has(event.event) ? 'refused' : 'success' }, event.event)
    } catch (error) {
      failed(error)
    }
  }
}
