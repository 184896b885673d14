import { displayName } from '../../domain/client.ts'
import { foreign } from './foreign-text.ts'
import { type HtmlDocument, html } from './html.ts'
import { type Form, hiddenFields, layOut } from './layout.ts'
import type { Steps } from './steps.ts'

/** Everything that the sign-in page of a `password` provider says. */
export interface SignInModel {
  readonly clientName?: string
  readonly routeTitle: string
  readonly providerName: string
  readonly steps?: Steps | undefined
  readonly gatewayHost: string
  readonly form: Form
  /** Whether the attempt before this one failed; which half was wrong is never told. */
  readonly failed: boolean
}

/** Asks for `username` and `password`, in a form of their own that password managers understand. */
export function signInPage(model: SignInModel): HtmlDocument {
  const name = model.clientName === undefined ? '' : displayName(model.clientName)
  const app = name === '' ? 'the app' : foreign(name)
  const marks = model.failed ? html` aria-invalid="true" aria-describedby="failure"` : undefined
  return layOut({
    title: model.failed ? 'Sign-in failed' : 'Sign in',
    gatewayHost: model.gatewayHost,
    steps: model.steps,
    main: html`<h1>Sign in</h1>
<p class="lead">Use your ${foreign(model.providerName)} account. After that, ${app} can use ${foreign(model.routeTitle)} for you.</p>
${
  model.failed
    ? html`<p class="alert" role="alert" id="failure"><strong>Sign-in failed.</strong> Check the username and the password, and try again.</p>`
    : undefined
}
<form method="post" action="${model.form.action}">
${hiddenFields(model.form)}
<label class="field" for="username">Username</label>
<input class="input" id="username" name="username" type="text" autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false" required autofocus${marks}>
<label class="field" for="password">Password</label>
<input class="input" id="password" name="password" type="password" autocomplete="current-password" required${marks}>
<button class="button primary" type="submit">Sign in</button>
<p class="foot">Before you type, check that your browser shows <strong>${foreign(model.gatewayHost)}</strong> as the address.</p>
</form>`,
  })
}
