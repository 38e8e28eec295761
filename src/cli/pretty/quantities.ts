/** A number with commas between the thousands: 1,234,567. */
export function countText(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** `1 row`, `1,234 rows`. */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${countText(count)} ${count === 1 ? noun : nouns}`
}

const units = [
  { name: 'd', ms: 86_400_000 },
  { name: 'h', ms: 3_600_000 },
  { name: 'min', ms: 60_000 },
  { name: 's', ms: 1000 },
] as const

/** A duration as people say it: `4 ms`, `1.2 s`, `3 min 20 s`, `2 d 5 h`. */
export function durationText(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000) * 1000
  const at = units.findIndex((unit) => unit.ms <= seconds)
  const unit = units[at] ?? units[3]
  const smaller = units[at + 1]
  const rest = smaller === undefined ? 0 : Math.floor((seconds % unit.ms) / smaller.ms)
  return `${Math.floor(seconds / unit.ms)} ${unit.name}${smaller === undefined || rest === 0 ? '' : ` ${rest} ${smaller.name}`}`
}

/** A size: `512 B`, `16.3 kB`, `1.2 GB`. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 'B'
  for (const larger of ['kB', 'MB', 'GB', 'TB']) {
    if (value < 1000) break
    value /= 1000
    unit = larger
  }
  return `${unit === 'B' ? value : value.toFixed(value < 99.95 ? 1 : 0)} ${unit}`
}
