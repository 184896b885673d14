import type { Socket } from 'node:net'
import type { StreamedBody } from './request.ts'

/** A body on its way into a socket. */
export interface BodySender {
  /** Whether all of it has been handed to the socket. */
  readonly complete: boolean
  /** Sends no more of it, and reads no further. */
  stop(): void
}

/** The body exceeds its limit. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge'
  readonly code = 'BODY_TOO_LARGE'
}

/** More or less than was announced: the server would take the next request for a part of this one, or wait for ever. */
class WrongLength extends Error {
  override readonly name = 'WrongLength'
  readonly code = 'BODY_LENGTH_WRONG'
}

/**
 * Sends the body of a request, in chunks (RFC 9112 §7.1) unless its length is known, no faster than the socket takes it.
 * The stream is never destroyed. `failed` hears of one that breaks off, is not as long as it was said to be, or exceeds its
 * limit ({@link BodyTooLarge}).
 */
export function sendBody(
  socket: Socket,
  { stream, length, maxBytes = Number.POSITIVE_INFINITY, release }: StreamedBody,
  failed: (error: Error) => void,
): BodySender {
  let sent = 0
  let complete = false

  function onData(chunk: Buffer): void {
    sent += chunk.length
    if (sent > maxBytes) fail(new BodyTooLarge())
    else if (length !== undefined && sent > length) fail(new WrongLength())
    else send(chunk)
  }

  function send(chunk: Buffer): void {
    const written = (error?: Error | null) => void (error || release?.(chunk))
    if (length === undefined) writeChunk(socket, chunk, written)
    else socket.write(chunk, written)
    // What counts is what the kernel did not take; a large piece exceeds the high water mark even if it is gone already.
    if (socket.writableLength > 0 && socket.writableNeedDrain) stream.pause()
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
    // Without a listener for data it would go on reading, and lose what it reads.
    if (!complete) stream.pause()
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

/** In one write. */
function writeChunk(socket: Socket, chunk: Buffer, written: (error?: Error | null) => void): void {
  socket.cork()
  socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
  socket.write(chunk, written)
  socket.write('\r\n', 'latin1')
  socket.uncork()
}
