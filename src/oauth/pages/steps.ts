import { foreign } from './foreign-text.ts'
import { type Html, html } from './html.ts'

/** Where the reader is on a way that takes several pages, and what each of them is for. */
export interface Steps {
  readonly names: readonly string[]
  /** Index of the one that is shown. */
  readonly current: number
}

/** The way as an ordered list, with the place of this page in words too. */
export function stepList({ names, current }: Steps): Html {
  return html`<nav class="steps" aria-label="Steps">
<p>Step ${String(current + 1)} of ${String(names.length)}</p>
<ol>
${names.map(
  (name, index) => html`<li${stateOf(index, current)}>${foreign(name)}</li>
`,
)}</ol>
</nav>`
}

function stateOf(index: number, current: number): Html | undefined {
  if (index === current) return html` aria-current="step"`
  return index < current ? html` class="done"` : undefined
}
