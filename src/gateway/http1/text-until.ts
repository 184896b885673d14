import { MalformedAnswer } from './malformed-answer.ts'

/** A text that comes in pieces. Each byte is looked at once: otherwise pieces of one byte would take seconds. */
export class TextUntil {
  readonly #end: string
  readonly #most: number
  readonly #pieces: string[] = []
  #length = 0
  /** The last of it, with which the end may begin. */
  #tail: string

  /** `end` comes behind `most` bytes at the most; `before` has passed already, and may be a part of it. */
  constructor(end: string, most: number, before: string) {
    this.#end = end
    this.#most = most
    this.#tail = before
  }

  /**
   * The text without its end, and the bytes behind that; undefined while it has not come. Throws {@link MalformedAnswer}
   * when it does not come in time.
   */
  take(bytes: Buffer): { text: string; rest: Buffer } | undefined {
    const room = this.#most + this.#end.length - this.#length
    const piece = bytes.toString('latin1', 0, room)
    const seam = this.#tail + piece
    const at = seam.indexOf(this.#end)
    if (at !== -1) {
      const taken = at + this.#end.length - this.#tail.length
      const length = Math.max(0, this.#length + taken - this.#end.length)
      return { text: (this.#pieces.join('') + piece).slice(0, length), rest: bytes.subarray(taken) }
    }
    if (bytes.length >= room) throw new MalformedAnswer('ANSWER_HEAD_TOO_LARGE')
    this.#pieces.push(piece)
    this.#length += piece.length
    this.#tail = seam.slice(1 - this.#end.length)
    return undefined
  }
}
