/** Texts that try to become markup, script, another text, or another line of a log (B028, B115). */
export const HOSTILE_TEXTS: Readonly<Record<string, string>> = {
  'a script element': '<script>globalThis.pwned = 1</script>',
  'an image with a handler': '<img src=x onerror="globalThis.pwned = 1">',
  'the end of every element around it':
    '</bdi></strong></code></button></a></p></dd></dl></form></main></title></style><svg onload="globalThis.pwned=1">x',
  'the end of a double-quoted attribute': '" autofocus onfocus="globalThis.pwned = 1" x="',
  'the end of a single-quoted attribute': "' autofocus onfocus='globalThis.pwned = 1' x='",
  'the end of a comment': '--><script>globalThis.pwned = 1</script><!--',
  'a polyglot':
    'jaVasCript:/*-/*`/*\\`/*\'/*"/**/(/* */oNcliCk=globalThis.pwned=1 )//</stYle/</titLe/</teXtarEa/</scRipt/--!>\\x3csVg/<sVg/oNloAd=globalThis.pwned=1//>\\x3e',
  'entities that were escaped before': '&lt;script&gt;globalThis.pwned=1&lt;/script&gt;&#x22;',
  'template expressions': '{{7*7}}$\x7b7*7}<%= 7*7 %>',
  'a bidirectional override': 'claude\u202egpj.exe\u2066\u2069',
  'terminal sequences': '\x1b[31mred\x1b[0m\x07',
  'a line of a log': 'Claude\n[INFO] user approved',
  'NUL and a lone surrogate': 'Cla\0ude\ud800',
  'a very long word': 'W'.repeat(3000),
}
