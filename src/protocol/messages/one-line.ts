/**
 * A text that others wrote, on one line and without control characters: a server's message may have several lines, and
 * a table's name may hold what makes a terminal do things.
 */
export function oneLine(text: string): string {
  return text
    .replace(/\s*[\r\n]+\s*/g, ' ')
    .replace(/[\p{Cc}\u2028\u2029]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .trim()
}
