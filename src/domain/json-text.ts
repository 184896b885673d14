/** A part of a text, from `start` up to but not including `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A member of an object: its decoded name, and where its value stands. */
export interface Member extends Span {
  readonly key: string
}

/**
 * The members of the object that begins at `at`, in order, repeated ones too; none when something else begins there.
 * `text` must be JSON that JSON.parse has accepted.
 */
export function membersAt(text: string, at: number): Member[] {
  const members: Member[] = []
  let next = skipSpace(text, at)
  if (text[next] !== '{') return members
  next = skipSpace(text, next + 1)
  while (text[next] === '"') {
    const keyEnd = endOfString(text, next)
    const key = decoded(text.slice(next, keyEnd))
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1)
    const end = endOfValue(text, start)
    members.push({ key, start, end })
    next = skipSeparator(text, end)
  }
  return members
}

/** The same for the elements of an array. */
export function elementsAt(text: string, at: number): Span[] {
  const elements: Span[] = []
  let next = skipSpace(text, at)
  if (text[next] !== '[') return elements
  next = skipSpace(text, next + 1)
  while (next < text.length && text[next] !== ']') {
    const end = endOfValue(text, next)
    elements.push({ start: next, end })
    next = skipSeparator(text, end)
  }
  return elements
}

/** How deep arrays and objects are nested in `text`, which need not be well-formed: known before anything is built of it. */
export function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at) - 1
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      depth += 1
      if (depth > deepest) deepest = depth
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth -= 1
  }
  return deepest
}

/**
 * `key` as parsers see it that find members without regard to case, by Unicode's rules (`paramſ` too), or whose strings end
 * at NUL.
 */
export function foldKey(key: string): string {
  const nul = key.indexOf('\0')
  return (nul < 0 ? key : key.slice(0, nul)).toLowerCase().toUpperCase()
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** RFC 8259 §2. */
function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

/** Where the white space that begins at `from` ends. */
export function skipSpace(text: string, from: number): number {
  let at = from
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

function skipSeparator(text: string, from: number): number {
  const at = skipSpace(text, from)
  return text.charCodeAt(at) === COMMA ? skipSpace(text, at + 1) : at
}

function decoded(string: string): string {
  return string.includes('\\') ? JSON.parse(string) : string.slice(1, -1)
}

/** From quote to quote; each run of backslashes stands in front of one quote only, so this stays linear. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return at + 1
  }
  return text.length
}

function endOfValue(text: string, from: number): number {
  const first = text.charCodeAt(from)
  if (first === QUOTE) return endOfString(text, from)
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at) - 1
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) depth += 1
    else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) {
      if (depth <= 1) return depth === 1 ? at + 1 : at
      depth -= 1
    } else if (depth === 0 && (code === COMMA || isSpace(code))) return at
  }
  return text.length
}
