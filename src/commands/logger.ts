import { type Logger, levels, pino } from 'pino'
import { openLogSink } from './log-sink.ts'

/** The levels that LOG_LEVEL may name. */
export const LOG_LEVELS: readonly string[] = [...Object.values(levels.labels), 'silent']

/** A logger, and what can be asked of its sink (see LogSink). */
export interface OpenLogger {
  readonly logger: Logger
  dropped(): number
  flushed(limitMs: number): Promise<void>
}

/** A logger on stdout: JSON lines, or readable ones when somebody is watching. `level` must be one of {@link LOG_LEVELS}. */
export async function createLogger(level: string): Promise<OpenLogger> {
  if (!process.stdout.isTTY) {
    const sink = openLogSink()
    return { logger: pino({ level }, sink), dropped: sink.dropped, flushed: sink.flushed }
  }
  const { default: pretty } = await import('pino-pretty')
  const logger = pino({ level }, pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' }))
  return { logger, dropped: () => 0, flushed: async () => {} }
}
