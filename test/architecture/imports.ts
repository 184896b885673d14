/**
 * The modules that TypeScript source imports or re-exports from, types included, in order. Comments do not count.
 * Reads statements as the formatter leaves them: each begins its line, except `import(…)`, which may stand anywhere.
 */
export function importsOf(source: string): string[] {
  const code = withoutComments(source)
  const found: { readonly index: number; readonly module: string }[] = []
  for (const pattern of [FROM, BARE, DYNAMIC])
    for (const match of code.matchAll(pattern)) found.push({ index: match.index, module: match[1] ?? '' })
  return found.sort((a, b) => a.index - b.index).map(({ module }) => module)
}

const FROM = /^(?:import|export)\b[^'"`;=()]*?\bfrom\s*['"]([^'"]+)['"]/gm
const BARE = /^import\s*['"]([^'"]+)['"]/gm
/** `await import('x')` and the type `import('x').Y`. */
const DYNAMIC = /\bimport\s*\(\s*['"`]([^'"`]+)['"`]/g

/** Blanks comments; a string that looks like the start of one is left alone. */
function withoutComments(source: string): string {
  return source.replaceAll(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|(["'])(?:\\.|(?!\1)[^\\\n])*\1|`(?:\\[\s\S]|[^\\`])*`/g,
    (piece, quote: string | undefined) => (quote !== undefined || piece.startsWith('`') ? piece : ' '),
  )
}
