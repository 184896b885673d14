/** The demo cannot start; the message is one sentence or two for the person at the terminal. The process exits with 2. */
export class DemoRefused extends Error {
  override readonly name = 'DemoRefused'
}
