import { clipText, displayWidth } from './display-width.ts'

/** What a part of a line is, which decides its colour: SGR parameters (ECMA-48, 8.3.117). */
const styles = {
  insert: '32',
  update: '33',
  delete: '31',
  truncate: '1;31',
  message: '36',
  schema: '35',
  snapshot: '34',
  table: '1',
  strong: '1',
  faint: '2',
  before: '31',
  after: '32',
  escape: '36',
} as const

/** See {@link styles}. */
export type Style = keyof typeof styles

/** A piece of a line in one style. Its text has no control characters. */
export interface Span {
  readonly text: string
  readonly style?: Style | undefined
}

/** Cells that spans take one after the other. */
export function widthOf(spans: readonly Span[]): number {
  return spans.reduce((width, { text }) => width + displayWidth(text), 0)
}

/** The spans, cut so that they take so many cells at most; an ellipsis says where. */
export function clipSpans(spans: readonly Span[], cells: number): readonly Span[] {
  if (widthOf(spans) <= cells) return spans
  const kept: Span[] = []
  let left = cells - 1
  for (const { text, style } of spans) {
    const clipped = clipText(text, left)
    left -= displayWidth(clipped)
    kept.push({ text: clipped, style })
    if (clipped !== text) break
  }
  return [...kept, { text: '…', style: 'faint' }]
}

/** The line that spans make, with or without colours. */
export function renderSpans(spans: readonly Span[], colour: boolean): string {
  return spans
    .map(({ text, style }) =>
      !colour || style === undefined || text === '' ? text : `\u001b[${styles[style]}m${text}\u001b[0m`,
    )
    .join('')
}

/** A span that fills up to so many cells. */
export function padding(spans: readonly Span[], cells: number): Span {
  return { text: ' '.repeat(Math.max(0, cells - widthOf(spans))) }
}
