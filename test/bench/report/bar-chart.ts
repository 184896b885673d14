import type { Spread } from '../readings.ts'

/** One bar, with a line from the lowest to the highest value. */
export interface Bar {
  readonly label: string
  readonly spread: Spread
  /** Stands out. */
  readonly ours: boolean
}

const WIDTH = 760
const LABELS = 250
const ROW = 26
const TOP = 44
const BAR = 14
/** Room for the number behind the longest bar. */
const NUMBERS = 70

/** Horizontal bars as an SVG document that is readable on light and on dark pages. */
export function barChart(title: string, bars: readonly Bar[], digits: number): string {
  const height = TOP + bars.length * ROW + 8
  const longest = Math.max(...bars.map(({ spread }) => spread.highest))
  const x = (value: number) => LABELS + (value / longest) * (WIDTH - LABELS - NUMBERS)
  const rows = bars.map(({ label, spread, ours }, index) => {
    const y = TOP + index * ROW
    const middle = y + BAR / 2
    const number = `<text x="${at(x(spread.highest) + 8)}" y="${middle + 4}">${spread.median.toFixed(digits)}</text>`
    return [
      `<text x="${LABELS - 10}" y="${middle + 4}" text-anchor="end"${ours ? ' class="ours-label"' : ''}>${escaped(label)}</text>`,
      `<rect x="${LABELS}" y="${y}" width="${at(x(spread.median) - LABELS)}" height="${BAR}" rx="2" class="${ours ? 'ours' : 'other'}"/>`,
      `<line x1="${at(x(spread.lowest))}" x2="${at(x(spread.highest))}" y1="${middle}" y2="${middle}"/>`,
      number,
    ].join('\n')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" font-family="system-ui, sans-serif" font-size="13">
<title>${escaped(title)}</title>
<style>
text { fill: #1f2328 } .heading, .ours-label { font-weight: 600 } .other { fill: #9aa4b0 } .ours { fill: #0a7d70 }
line { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .other { fill: #6b7684 } .ours { fill: #2bb3a3 } line { stroke: #e6edf3 } }
</style>
<text x="0" y="20" class="heading">${escaped(title)}</text>
${rows.join('\n')}
</svg>
`
}

function at(value: number): string {
  return value.toFixed(1)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
