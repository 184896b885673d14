/**
 * The value of an Authorization header with client id and secret (RFC 6749 §2.3.1). The form encoding is the one that
 * leaves `-`, `.` and `_` alone, because not every provider decodes what the RFC has it decode.
 */
export function basicCredentials(clientId: string, clientSecret: string): string {
  return `Basic ${Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret)}`).toString('base64')}`
}

function formEncode(text: string): string {
  return new URLSearchParams({ text }).toString().slice('text='.length)
}
