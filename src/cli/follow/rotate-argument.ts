import type { RotatePolicy } from '../../delivery/file/rotate-policy.ts'
import { readDuration, usageError } from '../arguments.ts'
import { quotedArgument } from '../quoted-argument.ts'

/** As in the server's settings, a kilobyte is 1024 bytes. */
const unitBytes: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3, tb: 1024 ** 4 }

/** Reads `--rotate`, which is a size, a time, or both, each once. @throws {CommandError} `usage` */
export function readRotate(given: readonly string[]): RotatePolicy | undefined {
  const limits = given.map(readLimit)
  for (const limit of ['maxBytes', 'maxAgeMs'] as const) {
    if (limits.filter((one) => one[limit] !== undefined).length < 2) continue
    throw usageError(
      `--rotate is given two ${limit === 'maxBytes' ? 'sizes' : 'times'}`,
      'the smaller one would always come first',
      'give one size, one time, or both',
    )
  }
  return limits.length === 0 ? undefined : Object.assign({}, ...limits)
}

function readLimit(given: string): RotatePolicy {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB)$/i.exec(given) ?? []
  const maxBytes = Math.ceil(Number(number) * (unitBytes[unit.toLowerCase()] ?? Number.NaN))
  if (maxBytes > 0 && Number.isSafeInteger(maxBytes)) return { maxBytes }
  if (number === undefined && /[a-z]$/.test(given)) return { maxAgeMs: readDuration('rotate', given) }
  throw usageError(
    `--rotate cannot be ${quotedArgument(given)}`,
    'it is a size above 0, like 100MB or 1GB, or a time, like 30min or 1h, each with its unit',
    'give --rotate 1GB, for example',
  )
}
