import { html } from './html.ts'

/**
 * The one stylesheet; its hash is in the policy of every page. Without interpolations the template passes it verbatim.
 * Colors keep a contrast of 4.5 for text and 3 for the edges of controls, in light and in dark.
 */
export const STYLESHEET = html`
:root {
  color-scheme: light dark;
  --ground: #f4f5f2;
  --card: #ffffff;
  --ink: #18211d;
  --muted: #56625c;
  --line: #dde2de;
  --edge: #77837d;
  --accent: #0d5f4c;
  --accent-hover: #094838;
  --on-accent: #ffffff;
  --notice: #fdf4dd;
  --on-notice: #5c4200;
  --danger: #fdeceb;
  --on-danger: #8f1d18;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #101513;
    --card: #181f1c;
    --ink: #e9eeeb;
    --muted: #a4b0aa;
    --line: #2c3732;
    --edge: #7a8881;
    --accent: #6fd3b3;
    --accent-hover: #93e2c8;
    --on-accent: #06231a;
    --notice: #2d2511;
    --on-notice: #f1cf82;
    --danger: #371a19;
    --on-danger: #ffb1aa;
  }
}
*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0;
  padding: 1.25rem 1rem 3rem;
  background: var(--ground);
  color: var(--ink);
  font: 1rem/1.5 -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, Cantarell, "Liberation Sans", Arial, sans-serif;
  overflow-wrap: anywhere;
}
header, main { max-width: 33rem; margin: 0 auto; }
header { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: .625rem; padding: 0 .25rem 1rem; font-size: .9375rem; }
.wordmark { font-weight: 700; letter-spacing: -.01em; }
.wordmark::before {
  content: "";
  display: inline-block;
  width: .8em;
  height: .9em;
  margin-right: .45em;
  border: .2em solid var(--accent);
  border-bottom: 0;
  border-radius: .45em .45em 0 0;
  vertical-align: -.06em;
}
.host { color: var(--muted); min-width: 0; }
main { padding: 1.5rem 1.25rem; background: var(--card); border: 1px solid var(--line); border-radius: .875rem; }
.steps { margin: 0 0 1.5rem; font-size: .875rem; color: var(--muted); }
.steps p { margin: 0 0 .375rem; }
.steps ol { display: flex; gap: .5rem; margin: 0; padding: 0; list-style: none; }
.steps li { flex: 1; min-width: 0; padding-top: .375rem; border-top: .25rem solid var(--line); line-height: 1.35; }
.steps .done, .steps [aria-current] { border-color: var(--accent); }
.steps [aria-current] { color: var(--ink); font-weight: 600; }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.015em; text-wrap: balance; }
h2 { margin: 1.5rem 0 .5rem; font-size: 1.125rem; line-height: 1.3; }
p { margin: 0 0 1rem; }
a { color: var(--accent); }
code { font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
.lead, .note, .foot { color: var(--muted); }
.lead { margin-bottom: 1.25rem; }
.note, .foot { font-size: .875rem; }
.note { margin: .125rem 0 0; }
.foot { margin: 1rem 0 0; }
dl { margin: 0; }
dl > div { padding: .75rem 0; border-top: 1px solid var(--line); }
dt { color: var(--muted); font-size: .875rem; }
dd { margin: 0; }
.phrase { display: block; }
.phrase::first-letter { text-transform: uppercase; }
.name { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; font-weight: 600; }
.goes-to { font-size: 1.25rem; font-weight: 700; line-height: 1.35; }
.notice, .alert { margin: .625rem 0 1.25rem; padding: .625rem .75rem; border-left: .25rem solid; border-radius: .375rem; font-size: .9375rem; }
.notice { background: var(--notice); color: var(--on-notice); }
dd .notice { margin-bottom: 0; }
.alert { background: var(--danger); color: var(--on-danger); }
fieldset { margin: .75rem 0 1.25rem; padding: 0; border: 0; min-width: 0; }
legend { padding: 0 0 .5rem; font-weight: 600; }
.choice { display: flex; gap: .75rem; padding: .75rem; margin: 0 0 .5rem; border: 1px solid var(--edge); border-radius: .625rem; cursor: pointer; }
.choice:has(:checked) { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
.choice > span { min-width: 0; }
.choice input { flex: none; width: 1.25rem; height: 1.25rem; margin: .125rem 0 0; accent-color: var(--accent); }
.choice strong, .choice .note { display: block; }
details { margin: 0 0 1.25rem; padding: .25rem 0; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
summary { display: flex; align-items: center; min-height: 2.75rem; font-size: .875rem; color: var(--muted); cursor: pointer; }
summary::before { content: "+"; width: 1.25rem; font-weight: 700; }
details[open] > summary::before { content: "\\2212"; }
details dl { margin: 0 0 .5rem; font-size: .875rem; }
details dl > div { padding: .375rem 0; border: 0; }
label.field { display: block; font-weight: 600; margin: 0 0 .375rem; }
.input { display: block; width: 100%; min-height: 2.75rem; margin: 0 0 1.125rem; padding: .5rem .75rem; font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--edge); border-radius: .625rem; }
.input[aria-invalid] { border-color: var(--on-danger); border-width: 2px; }
.note + .decision, .note + .field { margin-top: 1.25rem; }
.decision { display: grid; grid-template-columns: 1fr 2fr; gap: .75rem; }
.button {
  display: flex;
  align-items: center;
  justify-content: center;
  width: 100%;
  min-height: 3rem;
  padding: .625rem .875rem;
  font: inherit;
  font-weight: 600;
  line-height: 1.3;
  text-align: center;
  text-decoration: none;
  color: var(--ink);
  background: transparent;
  border: 1px solid var(--edge);
  border-radius: .625rem;
  cursor: pointer;
}
.button:hover { border-color: var(--ink); }
.primary { color: var(--on-accent); background: var(--accent); border-color: var(--accent); }
.primary:hover { background: var(--accent-hover); border-color: var(--accent-hover); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
@media (min-width: 40rem) {
  body { padding-top: 3rem; }
  main { padding: 2.25rem 2.25rem 2rem; }
  h1 { font-size: 1.75rem; }
  dl.facts > div { display: grid; grid-template-columns: 8.5rem 1fr; column-gap: 1rem; align-items: baseline; }
}
@media (prefers-reduced-motion: no-preference) {
  .button, .choice { transition: background-color .12s ease, border-color .12s ease; }
}
`
