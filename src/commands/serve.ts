import { orCannotStart } from './cannot-start.ts'
import { FAILPOINT_VARIABLE, failpointsFrom } from './failpoints.ts'
import { loadOrReport } from './load-or-report.ts'
import { createLogger, LOG_LEVELS } from './logger.ts'
import { closeOnSignal } from './shutdown.ts'
import { keepCallsYoung } from './young-calls.ts'

/** How long the last log lines wait for their reader. */
const LAST_LINES_MS = 1000

/** `gatehouse serve`: runs until SIGTERM or SIGINT, then drains. Resolves to the exit code. */
export async function serve(file: string): Promise<number> {
  const level = process.env.LOG_LEVEL || 'info'
  if (!LOG_LEVELS.includes(level)) {
    process.stderr.write(`gatehouse: LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}\n`)
    return 1
  }
  const config = loadOrReport(file)
  if (!config) return 1
  const failpoint = failpointsFrom(process.env[FAILPOINT_VARIABLE], config.publicUrl)
  if (!failpoint.ok) {
    process.stderr.write(`gatehouse: ${failpoint.failure}\n`)
    return 1
  }
  keepCallsYoung()
  // Problems show at once; the server takes longer to load.
  const { startGateway } = await import('../server.ts')
  const { logger, dropped, flushed } = await createLogger(level)
  return orCannotStart(async () => {
    const starting = startGateway(config, { logger, lostLogLines: dropped, failpoint: failpoint.value })
    // Whoever reads that it listens may stop it in the same moment.
    const stopped = closeOnSignal(async () => {
      logger.info('draining: open requests may finish')
      await (await starting).close()
      logger.info('stopped')
    })
    await starting
    await stopped
    await flushed(LAST_LINES_MS)
    // Whatever a library still keeps open must not keep the process alive.
    process.exit(0)
  })
}
