/** The pages that people see: pure functions from a model to a document that needs no JavaScript. */
export { type ConnectModel, type ConnectProblem, connectPage, type ShownToken } from './pages/connect-page.ts'
export { type ConsentModel, type ConsentRoute, consentPage } from './pages/consent-page.ts'
export type { HtmlDocument } from './pages/html.ts'
export { type Form, PAGE_CSP, pageHeaders } from './pages/layout.ts'
export { type ErrorModel, errorPage, type HandOffModel, handOffPage } from './pages/message-pages.ts'
export { type SignInModel, signInPage } from './pages/sign-in-page.ts'
export type { Steps } from './pages/steps.ts'
