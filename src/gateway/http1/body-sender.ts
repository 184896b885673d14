import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

/** A body on its way into a socket. */
export interface BodySender {
  /** Whether all of it has been handed to the socket. */
  readonly complete: boolean
  /** Sends no more of it. */
  stop(): void
}

/**
 * Sends `stream` as the body of a request, in chunks (RFC 9112 §7.1) unless its `length` in bytes is known, no faster than
 * the socket takes it. `failed` hears of a stream that breaks off or is not as long as it was said to be.
 */
export function sendBody(
  socket: Socket,
  stream: Readable,
  length: number | undefined,
  failed: (error: Error) => void,
): BodySender {
  let sent = 0
  let complete = false

  function onData(chunk: Buffer): void {
    sent += chunk.length
    if (length !== undefined && sent > length) {
      fail(new WrongLength())
      return
    }
    if (length === undefined) {
      socket.cork()
      socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
      socket.write(chunk)
      socket.write('\r\n', 'latin1')
      process.nextTick(() => socket.uncork())
    } else socket.write(chunk)
    if (socket.writableNeedDrain) stream.pause()
  }

  function onDrain(): void {
    stream.resume()
  }

  function onEnd(): void {
    if (length !== undefined && sent !== length) {
      fail(new WrongLength())
      return
    }
    if (length === undefined) socket.write('0\r\n\r\n', 'latin1')
    complete = true
    stop()
  }

  function fail(error: Error): void {
    stop()
    failed(error)
  }

  function onClose(): void {
    if (!complete) fail(new WrongLength())
  }

  function stop(): void {
    socket.off('drain', onDrain)
    stream.off('data', onData).off('end', onEnd).off('error', fail).off('close', onClose)
  }

  socket.on('drain', onDrain)
  stream.on('data', onData).on('end', onEnd).on('error', fail).on('close', onClose)
  // It may have broken off while the connection was being made; then its events are over.
  if (stream.destroyed) fail(stream.errored ?? new WrongLength())
  return {
    get complete() {
      return complete
    },
    stop,
  }
}

/** More or less than was announced: the server would take the next request for a part of this one, or wait for ever. */
class WrongLength extends Error {
  override readonly name = 'WrongLength'
  readonly code = 'BODY_LENGTH_WRONG'
}
