import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { type Preset, PresetSchema } from './preset-schema.ts'

/** The same from src/ and from dist/, in a checkout and in the package. */
const DIRECTORY = new URL('../../config/providers/', import.meta.url)

const read = new Map<string, Preset>()

/** The names of all presets, in alphabetical order. */
export function presetNames(): string[] {
  return readdirSync(DIRECTORY)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort()
}

/** The preset of that name, or undefined. Throws when its file, which is part of the package, is broken. */
export function findPreset(name: string): Preset | undefined {
  const known = read.get(name)
  if (known) return known
  if (!presetNames().includes(name)) return undefined
  const preset = PresetSchema.parse(parse(readFileSync(new URL(`${name}.yaml`, DIRECTORY), 'utf8')))
  read.set(name, preset)
  return preset
}
