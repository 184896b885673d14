import { parseFragment } from 'parse5'
import { describe, expect, it } from 'vitest'
import { foreign, navigable, shorten } from '../../src/oauth/pages/foreign-text.ts'
import { type Html, html, toDocument } from '../../src/oauth/pages/html.ts'

const BREAK_OUTS = `</p><script>alert(1)</script>" onload="x' onload='x\` & &amp; &#x3c;script&#x3e;`

describe('the template of the pages', () => {
  it('lets a string read the same in text and in a quoted attribute, whatever it holds (A-43)', () => {
    const [element] = parseFragment(html`<p title="${BREAK_OUTS}">${BREAK_OUTS}</p>`.toString()).childNodes
    expect(element).toMatchObject({
      tagName: 'p',
      attrs: [{ name: 'title', value: BREAK_OUTS }],
      childNodes: [{ nodeName: '#text', value: BREAK_OUTS }],
    })
  })

  it('escapes a string once, and lets markup of its own and lists of it through', () => {
    const items = ['a', '<b>'].map((text) => html`<li>${text}</li>`)
    expect(html`<ul>${items}</ul>`.toString()).toBe('<ul><li>a</li><li>&lt;b&gt;</li></ul>')
  })

  it('leaves nothing in the place of undefined', () => {
    expect(html`<p>${undefined}</p>`.toString()).toBe('<p></p>')
  })

  it('refuses an object that only looks like markup', () => {
    const forged: Html = { toString: () => '<script>alert(1)</script>' }
    expect(() => html`<p>${forged}</p>`).toThrow('only strings and markup')
    expect(() => toDocument(forged)).toThrow('only strings and markup')
  })

  it('refuses a value in an unquoted attribute, where no escaping would help', () => {
    expect(() => html`<a href=${'x'}>go</a>`).toThrow('quoted')
    expect(html`<a href="${'a='}${'b'}">go</a>`.toString()).toBe('<a href="a=b">go</a>')
  })

  it('replaces NUL and lone surrogates, which no document may hold (B028)', () => {
    expect(html`${'a\0b\ud800c'}`.toString()).toBe('a\ufffdb\ufffdc')
  })
})

describe('foreign text', () => {
  it('shows bidirectional, invisible and control characters instead of obeying them (R-15, B028)', () => {
    expect(foreign('ab\u202ecd\u200be\x1b[31m\nf').toString()).toBe('<bdi>ab\ufffdcd\ufffde\ufffd[31m\ufffdf</bdi>')
  })

  it('leaves the writing of every language alone', () => {
    for (const name of ['Œuvre 東京', 'مرحبا', 'नमस्ते', 'Tiếng Việt', '🧭'])
      expect(foreign(name).toString()).toBe(`<bdi>${name}</bdi>`)
  })

  it('cuts down towers of combining marks, which would paint over other lines', () => {
    expect(foreign(`a${'\u0301'.repeat(50)}b`).toString()).toBe(`<bdi>a${'\u0301'.repeat(3)}b</bdi>`)
  })

  it('shortens by whole characters', () => {
    expect(shorten('🧭🧭🧭', 3)).toBe('🧭🧭🧭')
    expect(shorten('🧭🧭🧭🧭', 3)).toBe('🧭🧭…')
  })
})

describe('links of the pages', () => {
  it.each(['https://claude.ai/cb?code=a*b', 'http://127.0.0.1:1234/cb', 'cursor://x/y', 'com.example.app:/cb'])(
    'may lead to %s',
    (href) => expect(navigable(href)).toBe(href),
  )

  it.each([
    'javascript:alert(1)',
    'JavaScript:alert(1)',
    ' javascript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    '/x',
  ])('may not lead to %s (B115)', (href) => expect(() => navigable(href)).toThrow('may not link'))
})
