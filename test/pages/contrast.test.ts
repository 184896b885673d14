import { describe, expect, it } from 'vitest'
import { STYLESHEET } from '../../src/oauth/pages/stylesheet.ts'

const [light, dark] = readPalettes(STYLESHEET.toString())

/** Text on its background (WCAG 2.2, 1.4.3). */
const TEXTS = [
  ['ink', 'ground'],
  ['ink', 'card'],
  ['muted', 'ground'],
  ['muted', 'card'],
  ['accent', 'card'],
  ['on-accent', 'accent'],
  ['on-accent', 'accent-hover'],
  ['on-notice', 'notice'],
  ['on-danger', 'danger'],
] as const
/** Edges of controls and the focus ring (WCAG 2.2, 1.4.11). */
const EDGES = [
  ['edge', 'card'],
  ['accent', 'card'],
  ['on-danger', 'card'],
] as const

describe.each([
  ['light', light],
  ['dark', dark],
] as const)('in %s', (_, palette) => {
  it.each(TEXTS)('%s on %s has a contrast of 4.5 at least', (ink, ground) => {
    expect(contrast(color(palette, ink), color(palette, ground))).toBeGreaterThanOrEqual(4.5)
  })

  it.each(EDGES)('%s on %s has a contrast of 3 at least', (edge, ground) => {
    expect(contrast(color(palette, edge), color(palette, ground))).toBeGreaterThanOrEqual(3)
  })
})

describe('the palettes', () => {
  it('name the same colors, and rules use only those', () => {
    expect([...dark.keys()]).toEqual([...light.keys()])
    const rules = STYLESHEET.toString().replaceAll(/:root \{[^}]*\}/g, '')
    expect(rules).not.toMatch(/#[0-9a-f]{3,8}\b/)
    for (const [, name = ''] of rules.matchAll(/var\(--([a-z-]+)\)/g)) expect(light.has(name), name).toBe(true)
  })
})

type Palette = ReadonlyMap<string, string>

function readPalettes(css: string): [Palette, Palette] {
  const [first, second] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(
    ([, body = '']) =>
      new Map([...body.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name = '', value = '']) => [name, value])),
  )
  if (!first || !second) throw new Error('the stylesheet lost one of its palettes')
  return [first, second]
}

function color(palette: Palette, name: string): string {
  const value = palette.get(name)
  if (value === undefined) throw new Error(`no color named ${name}`)
  return value
}

function contrast(one: string, other: string): number {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return ((lighter ?? 0) + 0.05) / ((darker ?? 0) + 0.05)
}

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
