import type { ServerResponse } from 'node:http'

/** A comment, which every reader of event streams skips (WHATWG HTML §9.2.6). */
const COMMENT = ':\n\n'

/**
 * Sends a comment whenever an event stream has been silent for `silenceMs`, for clients and proxies that give up on quiet
 * connections (P-62); never inside an event, and not to a client that does not read. `heard` starts the silence anew.
 */
export function keepAlive(
  response: ServerResponse,
  silenceMs: number,
  atEventBoundary: () => boolean,
): { heard(): void } {
  const timer = setTimeout(() => {
    if (atEventBoundary() && !response.writableEnded && !response.writableNeedDrain) response.write(COMMENT)
    timer.refresh()
  }, silenceMs)
  timer.unref()
  response.once('close', () => clearTimeout(timer))
  return { heard: () => void timer.refresh() }
}
