import type { TableLeftEvent } from '../../replication/events.ts'
import { countText, durationText, plural } from './quantities.ts'
import type { TableProgress } from './snapshot-progress.ts'
import { clipSpans, type Span, widthOf } from './spans.ts'

const barCells = { least: 8, most: 30 }

/** The line that a table has while it is copied: with a bar where its estimate and the width allow one. */
export function copyingLine(progress: TableProgress, columns: number, options: { bar: boolean }): readonly Span[] {
  const { name, rows, estimatedRows, rate, leftMs } = progress
  const fraction = options.bar ? progress.fraction : undefined
  const start: Span[] = [
    { text: 'copying ', style: 'snapshot' },
    { text: ` ${name}`, style: 'table' },
  ]
  const percent = fraction === undefined ? '' : ` ${String(Math.floor(fraction * 100)).padStart(3)} %`
  const parts = [
    estimatedRows === undefined ? plural(rows, 'row') : `${countText(rows)} of about ${plural(estimatedRows, 'row')}`,
    ...(rate === undefined ? [] : [`${countText(Math.round(rate))}/s`]),
    ...(leftMs === undefined ? [] : [`${durationText(leftMs)} left`]),
  ]
  const least = fraction === undefined ? 0 : barCells.least + 2 + percent.length
  const end: Span[] = []
  for (const part of parts) {
    if (widthOf(start) + least + widthOf(end) + part.length + 2 > columns) break
    end.push({ text: `  ${part}` })
  }
  const room = columns - widthOf(start) - widthOf(end) - percent.length - 2
  const cells = fraction === undefined || room < barCells.least ? 0 : Math.min(room, barCells.most)
  return clipSpans([...start, ...bar(fraction ?? 0, cells, percent), ...end], columns)
}

function bar(fraction: number, cells: number, percent: string): Span[] {
  if (cells === 0) return percent === '' ? [] : [{ text: ` ${percent}` }]
  const full = Math.floor(fraction * cells)
  return [
    { text: `  ${'█'.repeat(full)}`, style: 'snapshot' },
    { text: '░'.repeat(cells - full), style: 'faint' },
    { text: percent },
  ]
}

/** The line that says that a table was copied. */
export function copiedLine(progress: TableProgress, nameCells: number): readonly Span[] {
  const { name, rows, elapsedMs, rate } = progress
  return [
    { text: 'copied  ', style: 'snapshot' },
    { text: ` ${name.padEnd(nameCells)}`, style: 'table' },
    { text: `  ${plural(rows, 'row')} in ${durationText(elapsedMs)}` },
    ...(rate === undefined ? [] : [{ text: `, ${countText(Math.round(rate))}/s`, style: 'faint' } as const]),
  ]
}

const leftBecause: Readonly<Record<TableLeftEvent['reason'], string>> = {
  dropped: 'there is no such table any more',
  removed: 'it is not published any more',
  partition: 'its rows come under another name',
}

/** The line that says that what came of a table is to be forgotten. */
export function tableLeftLine(name: string, reason: TableLeftEvent['reason']): readonly Span[] {
  return [
    { text: 'left    ', style: 'snapshot' },
    { text: ` ${name}`, style: 'table' },
    { text: `  ${leftBecause[reason]}: what came of it before is void` },
  ]
}
