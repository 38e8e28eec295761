import { builtinNames } from '../src/decoder/types/names.ts'
import { type CatalogType, type PgType, TypeRegistry } from '../src/decoder/types/registry.ts'
import { readCorpusJson } from './corpus.ts'
import type { Random } from './random.ts'

/** OIDs of all types that are built in: whatever the registry has, so that a new type is tried without being named here. */
export const builtinTypeOids: readonly number[] = [...builtinNames.values()].sort((a, b) => a - b)

/** The servers that the corpus was recorded from. */
export const recordedVersions = [14, 15, 16, 17, 18] as const

/** Types that somebody made, as the catalog of a real server described them. */
export function madeTypes(version: number): readonly CatalogType[] {
  return readCorpusJson(`streams/pg${version}.types.json`)
}

/**
 * The registry of a connection to the server that a stream was recorded from.
 *
 * @param onMismatch told when values of a type are not what the type says
 */
export function registryOf(version: number, onMismatch?: () => void): TypeRegistry {
  const registry = new TypeRegistry({ serverVersion: version, onMismatch })
  for (const type of madeTypes(version)) registry.add(type)
  return registry
}

/** Built-in types, and those of one recorded server. */
export function oidsOf(version: number): readonly number[] {
  return [...builtinTypeOids, ...madeTypes(version).map(({ oid }) => oid)]
}

/** Any of them; those whose values have something inside more often. */
export function pickOid(oids: readonly number[], types: TypeRegistry, random: Random): number {
  for (let attempt = 0; attempt < 3; attempt++) {
    const oid = random.pick(oids)
    const type = types.get(oid)
    if (type !== undefined && isNested(type)) return oid
  }
  return random.pick(oids)
}

function isNested(type: PgType): boolean {
  return /^_|range$|\./.test(type.label)
}
