/** What is wrong with the arguments of a command, in one line. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Reads `--duration`: ms. @throws {UsageError} */
export function readDuration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  const factor = unit === undefined ? undefined : units[unit]
  if (amount === undefined || factor === undefined)
    throw new UsageError(`--duration is like 90s, 10m or 1h, not ${text}`)
  return Number(amount) * factor
}
