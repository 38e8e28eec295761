/** Ranges of characters that take two cells, by the property East_Asian_Width; emoji are asked for by their own. */
const wideRanges: readonly (readonly [from: number, to: number])[] = [
  [0x1100, 0x115f], // Hangul initials
  [0x2e80, 0x303e], // CJK radicals and punctuation
  [0x3041, 0xa4cf], // kana, CJK, Yi
  [0xa960, 0xa97c], // Hangul
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff], // CJK compatibility
  [0xfe10, 0xfe19], // vertical forms
  [0xfe30, 0xfe6b],
  [0xff01, 0xff60], // fullwidth forms
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18d08], // Tangut, Khitan
  [0x1aff0, 0x1b2fb], // more kana, Nushu
  [0x1f200, 0x1f265],
  [0x1f300, 0x1f64f], // pictographs
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd], // more CJK
]

const onlyAscii = /^[\x20-\x7e]*$/
const emoji = /\p{Emoji_Presentation}/u
/** Combining marks, joiners, and the Hangul medials and finals that are drawn into the cell before them. */
const zeroWidth = /[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff\ud7b0-\ud7ff]/u
const emojiSelector = '\ufe0f'

/**
 * How many cells of a terminal a text takes at most. Where terminals differ (a sequence of emoji that is drawn as one),
 * the larger number is told: a line that is a little short is better than one that is broken.
 *
 * @param text without control characters
 */
export function displayWidth(text: string): number {
  if (onlyAscii.test(text)) return text.length
  let width = 0
  let last = 0
  for (const character of text) {
    // the character before is drawn as an emoji after all
    const cells = character === emojiSelector ? (last === 1 ? 1 : 0) : characterWidth(character)
    width += cells
    if (cells > 0) last = cells
  }
  return width
}

function characterWidth(character: string): 0 | 1 | 2 {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x300) return 1
  if (zeroWidth.test(character)) return 0
  return wideRanges.some(([from, to]) => code >= from && code <= to) || emoji.test(character) ? 2 : 1
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** The beginning of a text that takes so many cells at most, never cut inside what a reader sees as one character. */
export function clipText(text: string, cells: number): string {
  if (onlyAscii.test(text)) return text.slice(0, Math.max(0, cells))
  let width = 0
  let end = 0
  for (const { segment, index } of segmenter.segment(text)) {
    width += displayWidth(segment)
    if (width > cells) break
    end = index + segment.length
  }
  return text.slice(0, end)
}
