/** A replacement takes memory for each place that it finds, many times the character's own: so much at a time. */
const pieceCharacters = 1 << 20

/**
 * The text with each of the characters that a pattern finds replaced, in memory that grows with the text alone.
 *
 * @param character a global pattern of single characters below U+D800, so that it does not matter where a text is cut
 */
export function replaceEach(text: string, character: RegExp, replacement: string): string {
  if (text.length <= pieceCharacters) return text.replace(character, replacement)
  let replaced = ''
  for (let at = 0; at < text.length; at += pieceCharacters) {
    replaced += text.slice(at, at + pieceCharacters).replace(character, replacement)
  }
  return replaced
}
