import { inspect } from 'node:util'

/**
 * A string that never prints: logs, templates, JSON and `util.inspect` all show `[secret]`.
 * Call {@link Secret.reveal} at the one place where the value is used.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The plain value. Never pass the result to a log, an error message or a URL. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
