/**
 * Whether `name` matches `pattern`, in which `*` stands for any characters or none and everything else for itself. The
 * first place where a part fits is as good as any, so hostile names cannot make it slow.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  const star = pattern.indexOf('*')
  if (star < 0) return pattern === name
  if (star === pattern.length - 1) return name.startsWith(pattern.slice(0, star))
  const parts = pattern.split('*')
  const [first = ''] = parts
  const last = parts.at(-1) ?? ''
  const end = name.length - last.length
  if (end < first.length || !name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
