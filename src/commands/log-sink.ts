import { fstatSync, writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'

/** Standard output for log lines: writing never waits for whoever reads it. */
export interface LogSink extends DestinationStream {
  /** Lines that were lost since the start. */
  dropped(): number
  /** Resolves when everything has been taken, after `limitMs` at the latest. */
  flushed(limitMs: number): Promise<void>
}

/** About 4,000 lines: what a reader that stands still may make us keep; what comes then is lost and counted (C63). */
const WAITING_BYTES = 1024 * 1024

/** A sink on standard output, which nobody else writes to. Errors such as EPIPE and ENOSPC lose lines and nothing more. */
export function openLogSink(): LogSink {
  const to = fstatSync(1)
  return to.isFIFO() || to.isSocket() ? toPipe() : toFile()
}

/** Node writes to pipes without blocking, and keeps what they do not take. */
function toPipe(): LogSink {
  const { stdout } = process
  let dropped = 0
  let untold = 0
  // Without a reader each write fails, and the stream goes on to try.
  stdout.on('error', () => {
    dropped += 1
  })
  return {
    dropped: () => dropped,
    write(line) {
      if (stdout.writableLength > WAITING_BYTES) {
        dropped += 1
        untold += 1
        return
      }
      if (untold > 0) {
        stdout.write(
          `${JSON.stringify({ level: 40, time: Date.now(), dropped: untold, msg: 'log lines were lost' })}\n`,
        )
        untold = 0
      }
      stdout.write(line)
    },
    flushed: (limitMs) =>
      new Promise((resolve) => {
        if (stdout.writableLength === 0) return resolve()
        const limit = setTimeout(resolve, limitMs)
        stdout.write('', () => {
          clearTimeout(limit)
          resolve()
        })
      }),
  }
}

/** Files take lines at once, or, when the disk is full, not at all. */
function toFile(): LogSink {
  let dropped = 0
  let torn = false
  return {
    dropped: () => dropped,
    write(line) {
      const bytes = Buffer.from(torn ? `\n${line}` : line)
      let written = 0
      try {
        written = writeSync(1, bytes)
      } catch {}
      // What is left of a line on a disk that has just become full.
      if (written > 0) torn = written < bytes.length
      if (written < bytes.length) dropped += 1
    },
    flushed: async () => {},
  }
}
