import type { FastifyServerOptions } from 'fastify'

/** For listeners whose endpoints have no JSON schemas: Fastify would load two compilers for them at the start, a hundred files. */
export const WITHOUT_SCHEMAS: NonNullable<FastifyServerOptions['schemaController']> = {
  compilersFactory: { buildValidator: refuse, buildSerializer: refuse },
}

function refuse(): never {
  throw new Error('endpoints have no JSON schemas here')
}
