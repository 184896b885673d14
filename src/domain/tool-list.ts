import { elementsAt, foldKey, type Member, membersAt, type Span, skipSpace } from './json-text.ts'

interface Edit extends Span {
  readonly text: string
}

/**
 * The text of a JSON-RPC message or batch without the tools that `mayList` turns down, and with every list of tools marked
 * as one user's (P-90). All other bytes stay. Undefined when it is no JSON, or when its tools are not a list.
 */
export function filterToolLists(text: string, mayList: (tool: string) => boolean): string | undefined {
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  const start = skipSpace(text, 0)
  const messages = text[start] === '[' ? elementsAt(text, start).map((element) => element.start) : [start]
  const edits = messages
    .flatMap((message) => named(membersAt(text, message), 'result'))
    .map((result) => editsOf(text, result, mayList))
  return edits.includes(undefined)
    ? undefined
    : apply(
        text,
        edits.flatMap((one) => one ?? []),
      )
}

function editsOf(text: string, result: Span, mayList: (tool: string) => boolean): Edit[] | undefined {
  const members = membersAt(text, result.start)
  const lists = named(members, 'tools')
  if (lists.length === 0) return []
  if (lists.some(({ start }) => text[start] !== '[')) return undefined
  return [
    ...lists.flatMap((list) => editOf(text, list, mayList)),
    ...named(members, 'cacheScope').map(({ start, end }) => ({ start, end, text: '"private"' })),
  ]
}

function editOf(text: string, list: Span, mayList: (tool: string) => boolean): Edit[] {
  const tools = elementsAt(text, list.start)
  const kept = tools.filter((tool) => isListed(text, tool, mayList))
  const [first, last] = [tools[0], tools.at(-1)]
  if (!first || !last || kept.length === tools.length) return []
  const remaining = kept.map(({ start, end }) => text.slice(start, end)).join(',')
  return [{ start: first.start, end: last.end, text: remaining }]
}

/** Under every name that a reader might find in it. */
function isListed(text: string, tool: Span, mayList: (tool: string) => boolean): boolean {
  const found = named(membersAt(text, tool.start), 'name').map(({ start, end }): unknown =>
    JSON.parse(text.slice(start, end)),
  )
  return found.length > 0 && found.every((name) => typeof name === 'string' && mayList(name))
}

function named(members: readonly Member[], key: string): Member[] {
  return members.filter((member) => foldKey(member.key) === foldKey(key))
}

function apply(text: string, edits: readonly Edit[]): string {
  let result = ''
  let at = 0
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    result += text.slice(at, edit.start) + edit.text
    at = edit.end
  }
  return result + text.slice(at)
}
