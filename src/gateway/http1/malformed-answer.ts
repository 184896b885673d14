/** An answer that is not HTTP/1.1, or not certainly so: two readers could see two different answers in it. */
export class MalformedAnswer extends Error {
  override readonly name = 'MalformedAnswer'
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}
