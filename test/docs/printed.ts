/** What differs from run to run, and what stands in for it when two texts are compared. The first that fits. */
const passing: readonly (readonly [RegExp, string])[] = [
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d)?/g, '<time>'],
  [/\b\d\d:\d\d:\d\d\.\d{3}\b/g, '<time>'],
  [/\b[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}\b/g, '<uuid>'],
  [/\b[\dA-F]{1,8}\/[\dA-F]{1,8}\b/g, '<lsn>'],
  [/"(xid|oid|estimatedRows|estimatedBytes)":-?\d+/g, '"$1":<number>'],
  [/\b(begin|process) \d+\b/g, '$1 <number>'],
  [/\b[\d.]+ (ms|s|min)\b/g, '<duration>'],
  [/, [\d,.]+\/s\b/g, ''],
  [/\b\d{18,20}\b/g, '<number>'],
]

/** A text without what differs from run to run: times, LSNs, xids, durations. */
export function withoutPassing(text: string): string {
  return passing.reduce((changed, [pattern, replacement]) => changed.replaceAll(pattern, replacement), text)
}

/**
 * Looks for what a document shows of an output. A line with `…` alone stands for any lines.
 *
 * @returns where it ends in the output, or undefined
 */
export function findPrinted(shown: string, output: string): number | undefined {
  const pattern = withoutPassing(shown).split(/^…\n?/m).map(escaped).join('[\\s\\S]*?')
  const found = new RegExp(pattern).exec(output)
  return found === null ? undefined : found.index + found[0].length
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
