/** The query of a request target as it arrived, without `?`; empty when there is none. */
export function rawQuery(target: string): string {
  const mark = target.indexOf('?')
  return mark === -1 ? '' : target.slice(mark + 1)
}
