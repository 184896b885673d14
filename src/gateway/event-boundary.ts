/**
 * Follows an event stream and knows whether it stands between two events: nothing sent yet, or the last thing sent was
 * a blank line. Line ends are CRLF, LF or CR (WHATWG HTML §9.2.5).
 */
export function eventBoundary(): { follow(chunk: Uint8Array): void; reached(): boolean } {
  // A stream begins as if a blank line stood before it.
  let tail = '\n\n'
  return {
    follow(chunk) {
      const last = chunk.subarray(Math.max(0, chunk.length - TAIL_BYTES))
      tail = (tail + String.fromCharCode(...last)).slice(-TAIL_BYTES)
    },
    reached() {
      const withoutLineEnd = tail.replace(/(?:\r\n|\r|\n)$/, '')
      return withoutLineEnd !== tail && /[\r\n]$/.test(withoutLineEnd)
    },
  }
}

const TAIL_BYTES = 4
