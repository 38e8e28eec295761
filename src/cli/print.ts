/** Writes to stdout, and resolves when it is written. A reader that has gone (`walwire --help | true`) is no failure. */
export function print(text: string): Promise<void> {
  process.stdout.on('error', () => {})
  return new Promise((done) => process.stdout.write(text, () => done()))
}
