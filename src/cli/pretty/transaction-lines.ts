import { formatLsn } from '../../protocol/messages/lsn.ts'
import type { Transaction } from '../../replication/events.ts'
import { durationText, plural } from './quantities.ts'
import type { Span } from './spans.ts'
import { visible } from './visible-text.ts'

/** The line that opens a transaction's bracket. Its time is that of the commit, on this machine's clock. */
export function beginLine(tx: Transaction, what: 'begin' | 'goes on'): readonly Span[] {
  return [
    { text: '┌ ', style: 'faint' },
    { text: timeOf(commitMs(tx)), style: 'strong' },
    { text: `  ${what} ` },
    { text: String(tx.xid), style: 'strong' },
    ...origin(tx),
  ]
}

function origin({ origin }: Transaction): Span[] {
  return origin === undefined ? [] : [{ text: `  from ${visible(origin)}`, style: 'faint' }]
}

/** The line that closes the bracket: how much changed, and how long ago that was committed. */
export function commitLine(tx: Transaction, changes: number, nowMs: number): readonly Span[] {
  const ago = nowMs - commitMs(tx)
  return [
    { text: '└ ', style: 'faint' },
    { text: 'commit   ' },
    { text: formatLsn(tx.commitLsn), style: 'strong' },
    { text: `  ${plural(changes, 'change')}` },
    // the server's clock may be ahead of this one
    { text: ago < 0 ? '' : `, ${durationText(ago)} ago`, style: 'faint' },
  ]
}

/** When a transaction was committed, in milliseconds since 1970. */
export function commitMs(tx: Transaction): number {
  return Number(tx.commitTime / 1000n)
}

/** The day of a time here: `2026-11-23`. */
export function dayOf(ms: number): string {
  const date = new Date(ms)
  return `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1, 2)}-${pad(date.getDate(), 2)}`
}

function timeOf(ms: number): string {
  const date = new Date(ms)
  const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => pad(part, 2))
  return `${hours}:${minutes}:${seconds}.${pad(date.getMilliseconds(), 3)}`
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}
