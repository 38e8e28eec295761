import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CatalogType } from '../../../../src/decoder/types/catalog-type.ts'
import { TypeRegistry } from '../../../../src/decoder/types/registry.ts'

/** What servers of some versions say of a value, which is the same for all of them. */
export interface Form {
  readonly versions: readonly number[]
  readonly oid: number
  readonly text: string
  /** In hexadecimal digits; null for a type without a send function. */
  readonly binary: string | null
}

/** Everything that was recorded, in the order of cases.ts. */
export interface Recorded {
  readonly types: readonly { readonly versions: readonly number[]; readonly type: CatalogType }[]
  readonly values: readonly { readonly type: string; readonly literal: string; readonly forms: readonly Form[] }[]
}

const file = join(import.meta.dirname, 'recorded.jsonl')

/** recorded.jsonl, which `WALWIRE_RECORD_GOLDEN=1` renews: see golden.integration.test.ts. */
export function readRecorded(): Recorded {
  if (!existsSync(file)) return { types: [], values: [] }
  const [types = '', values = ''] = readFileSync(file, 'utf8').split('\n\n')
  return { types: parseLines(types), values: parseLines(values) }
}

/** A line for each type, an empty line, and a line for each value. */
export function writeRecorded({ types, values }: Recorded): void {
  const lines = (list: readonly unknown[]) => list.map((item) => `${JSON.stringify(item)}\n`).join('')
  writeFileSync(file, `${lines(types)}\n${lines(values)}`)
}

function parseLines<T>(lines: string): T[] {
  return JSON.parse(`[${lines.trim().split('\n').join(',')}]`)
}

/** The types of a recorded server. */
export function recordedTypes({ types }: Recorded, version: number): TypeRegistry {
  const registry = new TypeRegistry({ serverVersion: version })
  for (const { versions, type } of types) if (versions.includes(version)) registry.add(type)
  return registry
}
