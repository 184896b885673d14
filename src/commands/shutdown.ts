/** npm and terminals both pass on a Ctrl-C, so one may arrive twice. */
const ECHO_MS = 500

/**
 * Resolves once SIGTERM or SIGINT has arrived and `close` is done; rejects as `close` does. A second signal, meant as
 * one, ends the process at once with exit code 1.
 */
export function closeOnSignal(close: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let firstAt: number | undefined
    const onSignal = () => {
      if (firstAt === undefined) {
        firstAt = Date.now()
        close().then(resolve, reject)
      } else if (Date.now() - firstAt > ECHO_MS) {
        process.exit(1)
      }
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
