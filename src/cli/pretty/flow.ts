import { clipSpans, padding, type Span, widthOf } from './spans.ts'

const gap: Span = { text: '  ' }

/** How {@link flow} fills lines. */
export interface FlowPlan {
  /** Cells in a line. */
  readonly columns: number
  /** What the first line begins with. */
  readonly first: readonly Span[]
  /** What every further line begins with. */
  readonly next: readonly Span[]
  /** Set one after the other; none is broken, and one that is wider than a line is cut. */
  readonly pieces: readonly (readonly Span[])[]
  /** Added to the last line, in order, while there is room. */
  readonly extra?: readonly (readonly Span[])[]
}

/** Sets pieces into lines with two spaces between them, as words are set in a paragraph. */
export function flow({ columns, first, next, pieces, extra = [] }: FlowPlan): (readonly Span[])[] {
  const lines: Span[][] = []
  let line: Span[] = [...clipSpans(first, columns)]
  let begun = false
  const fits = (piece: readonly Span[]) => widthOf(line) + (begun ? 2 : 0) + widthOf(piece) <= columns
  const add = (piece: readonly Span[]) => {
    line.push(...(begun ? [gap] : []), ...piece)
    begun = true
  }
  for (const piece of pieces) {
    if (!fits(piece)) {
      // the first piece goes below where a long table's name leaves no room for it
      if (begun || widthOf(next) < widthOf(line)) {
        lines.push(withoutTrailingSpace(line))
        line = [...next]
        begun = false
      }
      if (!fits(piece)) {
        add(clipSpans(piece, columns - widthOf(line)))
        continue
      }
    }
    add(piece)
  }
  for (const piece of extra) {
    // Infinity is a line without an end, not one that is to be filled
    if (columns === Number.POSITIVE_INFINITY || !fits(piece)) break
    add(piece)
  }
  return [...lines, withoutTrailingSpace(line)]
}

/** The space up to a column that stayed empty. */
function withoutTrailingSpace(line: readonly Span[]): Span[] {
  const end = line.findLastIndex(({ text }) => text.trim() !== '')
  return line.slice(0, end + 1)
}

/** Spans and the space up to a column that comes after them. */
export function cell(spans: readonly Span[], cells: number): Span[] {
  return [...spans, padding(spans, cells)]
}
