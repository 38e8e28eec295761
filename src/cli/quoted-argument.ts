/**
 * An argument in quotes, for an error. What may be a connection with a password is not shown: it stands where another
 * argument was expected.
 */
export function quotedArgument(text: string): string {
  return /:\/\/[^/]*[:?]|password|@/i.test(text) ? '"…"' : JSON.stringify(text)
}
