import type { Span } from './spans.ts'

/**
 * What must not reach a terminal as it is: control characters, which drive it; marks of direction, which turn the rest of
 * the line around; and what cannot be seen. The joiners stay, since words and emoji are made with them.
 */
const hidden = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** A character that cannot be shown, in the form in which it can be written in a program. */
function written(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16)
  return named[character] ?? (code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`)
}

/** A text of anybody's, safe to write to a terminal, on one line. */
export function visible(text: string): string {
  return text.replace(hidden, written)
}

/** The same in spans, so that what is written in another form can be told from a text that looks like it. */
export function visibleSpans(text: string, style: Span['style']): Span[] {
  const spans: Span[] = []
  let end = 0
  for (const { 0: character, index } of text.matchAll(hidden)) {
    if (index > end) spans.push({ text: text.slice(end, index), style })
    spans.push({ text: written(character), style: 'escape' })
    end = index + character.length
  }
  if (end < text.length) spans.push({ text: text.slice(end), style })
  return spans
}
