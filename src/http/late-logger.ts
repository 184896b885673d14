import type { FastifyBaseLogger } from 'fastify'

type Write = FastifyBaseLogger['info']

/**
 * `logger` for a framework that wants a child of it for each request: the child is made when something is logged. Most
 * requests log nothing, and making one costs more than looking up a token.
 */
export function withLateChildren<L extends FastifyBaseLogger>(logger: L): L {
  return Object.create(logger, {
    child: { value: (...bindings: ChildArguments) => new LateLogger(() => logger.child(...bindings), logger.level) },
  })
}

type ChildArguments = Parameters<FastifyBaseLogger['child']>

class LateLogger implements FastifyBaseLogger {
  level: string
  #make: () => FastifyBaseLogger
  #made: FastifyBaseLogger | undefined

  constructor(make: () => FastifyBaseLogger, level: string) {
    this.#make = make
    this.level = level
  }

  get #own(): FastifyBaseLogger {
    this.#made ??= this.#make()
    return this.#made
  }

  child(...bindings: ChildArguments): FastifyBaseLogger {
    return new LateLogger(() => this.#own.child(...bindings), this.level)
  }

  fatal(...entry: Parameters<Write>): void {
    this.#own.fatal(...entry)
  }
  error(...entry: Parameters<Write>): void {
    this.#own.error(...entry)
  }
  warn(...entry: Parameters<Write>): void {
    this.#own.warn(...entry)
  }
  info(...entry: Parameters<Write>): void {
    this.#own.info(...entry)
  }
  debug(...entry: Parameters<Write>): void {
    this.#own.debug(...entry)
  }
  trace(...entry: Parameters<Write>): void {
    this.#own.trace(...entry)
  }
  silent(): void {}
}
