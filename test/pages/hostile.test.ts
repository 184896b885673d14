import { type DefaultTreeAdapterTypes, parse } from 'parse5'
import { describe, expect, it } from 'vitest'
import { connectPage, consentPage, errorPage, handOffPage, signInPage } from '../../src/oauth/pages.ts'
import { HOSTILE_TEXTS } from './hostile-text.ts'
import * as models from './models.ts'

type Node = DefaultTreeAdapterTypes.Node

const PAGES = {
  'consent for a website': () => plant(models.webConsent, consentPage),
  'consent for a program on this computer': () => plant(models.loopbackConsent, consentPage),
  'consent for a client that a website describes': () => plant(models.documentConsent, consentPage),
  'consent with a choice of routes': () => plant(models.choiceConsent, consentPage),
  connect: () => plant(models.reconnect, connectPage),
  'sign-in': () => plant(models.failedSignIn, signInPage),
  'error with a link': () => plant(models.interstitialError, errorPage),
  'hand-off to an app': () => plant(models.handOff, handOffPage),
  'hand-off to a program on this computer': () => plant(models.loopbackHandOff, handOffPage),
}

/** Attributes whose value is ours alone, so that no model may change it. */
const FIXED_ATTRIBUTES = new Set(['class', 'id', 'for', 'type', 'role', 'rel', 'autocomplete', 'method', 'http-equiv'])
const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/u

describe.each(Object.entries(PAGES))('the page %s', (_name, planted) => {
  const fields = planted()

  it('has fields to plant texts in', () => {
    expect(fields.length).toBeGreaterThan(2)
  })

  it.each(Object.entries(HOSTILE_TEXTS))(
    'keeps its structure when any field holds %s (A-43, B028, B115)',
    (_, text) => {
      for (const { field, page } of fields) {
        const hostile = parse(page(text))
        expect(skeleton(hostile), field).toEqual(skeleton(parse(page('harmless'))))
        const deceived = texts(hostile).filter((shown) => DECEPTIVE.test(shown.replaceAll('\n', '')))
        expect(deceived, field).toEqual([])
      }
    },
  )
})

describe('hidden fields', () => {
  it.each(Object.entries(HOSTILE_TEXTS))('carry %s back unchanged', (_, text) => {
    const page = consentPage({ ...models.webConsent, form: { action: '/consent', hidden: { state: text } } })
    const inputs = elements(parse(page)).filter(({ tagName }) => tagName === 'input')
    const values = inputs.map(({ attrs }) => attrs.find(({ name }) => name === 'value')?.value)
    expect(values).toEqual([text.toWellFormed().replaceAll('\0', '\ufffd')])
  })
})

/** One way to put a text into a field of a page's model. */
interface Planted {
  readonly field: string
  page(text: string): string
}

/** Every string of `model` as a place to plant a text in; what a page decides by, and the start of links, stay. */
function plant<Model extends object>(model: Model, render: (model: Model) => string): Planted[] {
  return stringPaths(model).map((path) => ({
    field: path.join('.'),
    page: (text) => render(replaced(model, path, text) as Model),
  }))
}

function stringPaths(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value === 'string') return ['kind', 'origin', 'problem'].includes(path.at(-1) ?? '') ? [] : [[...path]]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => stringPaths(inner, [...path, key]))
}

function replaced(value: unknown, [key, ...rest]: readonly string[], text: string, at = ''): unknown {
  if (key === undefined) return at === 'href' || at === 'createUrl' ? `https://client.example/cb?x=${text}` : text
  if (Array.isArray(value))
    return value.map((inner, i) => (String(i) === key ? replaced(inner, rest, text, key) : inner))
  const record = value as Record<string, unknown>
  return { ...record, [key]: replaced(record[key], rest, text, key) }
}

/** Elements, names of attributes, and where there is text: everything but what the texts say. */
function skeleton(node: Node): unknown {
  if (node.nodeName === '#text') return 'text'
  if (!('childNodes' in node)) return node.nodeName
  const attrs = 'attrs' in node ? node.attrs : []
  return {
    name: node.nodeName,
    attributes: attrs.map(({ name, value }) => (FIXED_ATTRIBUTES.has(name) ? `${name}=${value}` : name)),
    children: node.childNodes.map(skeleton),
  }
}

function texts(node: Node): string[] {
  if (node.nodeName === '#text' && 'value' in node) return [node.value]
  return 'childNodes' in node ? node.childNodes.flatMap(texts) : []
}

function elements(node: Node): DefaultTreeAdapterTypes.Element[] {
  const inner = 'childNodes' in node ? node.childNodes.flatMap(elements) : []
  return 'tagName' in node ? [node, ...inner] : inner
}
