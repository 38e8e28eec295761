import { dirname, join, parse } from 'node:path'

/** Names of parts sort as their numbers do, up to this many digits. */
const digits = 6

/**
 * The file of an output's part: `shop.000001.jsonl` is the first one of `shop.jsonl`. Part 0 is the file of that name
 * itself: all of an output that has no parts, or what it had before there were any.
 */
export function partPath(output: string, part: number): string {
  if (part === 0) return output
  const { dir, name, ext } = parse(output)
  return join(dir, `${name}.${String(part).padStart(digits, '0')}${ext}`)
}

/** Which part of the output this path would be, from 1; undefined where it is none. */
export function partNumber(output: string, path: string): number | undefined {
  if (dirname(path) !== dirname(output)) return undefined
  const number = Number(/\.(\d+)(?:\.[^.]*)?$/.exec(path)?.[1])
  return number > 0 && partPath(output, number) === path ? number : undefined
}
