import { type Logger, levels, pino } from 'pino'

/** The levels that LOG_LEVEL may name. */
export const LOG_LEVELS: readonly string[] = [...Object.values(levels.labels), 'silent']

/** A logger on stdout: JSON lines, or readable ones when somebody is watching. `level` must be one of {@link LOG_LEVELS}. */
export async function createLogger(level: string): Promise<Logger> {
  if (!process.stdout.isTTY) return pino({ level })
  const { default: pretty } = await import('pino-pretty')
  return pino({ level }, pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' }))
}
