import { WalwireError } from '../../protocol/messages/errors.ts'
import type { builtinRanges, builtinTypes } from './builtin.ts'
import type { Codec } from './codec.ts'
import { builtinNames, nameHint } from './names.ts'
import type { PgRange } from './pg-range.ts'

type Builtin = (typeof builtinTypes)[number]
type BuiltinRange = (typeof builtinRanges)[number]

/** What a codec reads. */
type ValueOf<C> = C extends Codec<infer T> ? T : never

/** The default value of the type with this OID; ranges have no others under them than these. */
type ValueByOid<Oid extends number> = ValueOf<Extract<Builtin, { oid: Oid }>['codec']>

type BuiltinOverrides = {
  readonly [T in Builtin as T['name']]?: ((value: ValueOf<T['codec']>) => unknown) | undefined
} & {
  readonly [T in Builtin as T['arrayOid'] extends 0 ? never : `_${T['name']}`]?:
    | ((value: unknown[]) => unknown)
    | undefined
} & {
  readonly [T in BuiltinRange as T['name']]?: ((value: PgRange<ValueByOid<T['subtypeOid']>>) => unknown) | undefined
} & {
  readonly [T in BuiltinRange as T['multirange']['name']]?:
    | ((value: PgRange<ValueByOid<T['subtypeOid']>>[]) => unknown)
    | undefined
} & {
  readonly [T in BuiltinRange as `_${T['name'] | T['multirange']['name']}`]?:
    | ((value: unknown[]) => unknown)
    | undefined
}

/**
 * What takes the place of a type's default value, by the type's name: the bare name of pg_type for a type of pg_catalog
 * (`int4`, and `_int4` for its array), `schema.name` for any other. The function gets the default value and is not called
 * for NULL. What is inside an array, composite or range is overridden before that itself, the base of a domain before the
 * domain.
 */
export interface TypeOverrides extends BuiltinOverrides {
  readonly [type: string]: ((value: never) => unknown) | undefined
}

/** A method, so that its parameter is checked both ways: which value a name stands for is the caller's knowledge. */
export type Override = { convert(value: unknown): unknown }['convert']

/**
 * The overrides by name.
 *
 * @throws {WalwireError} `bad_option` for a name that no type can have, since its function would never be called.
 */
export function checkOverrides(overrides: TypeOverrides): ReadonlyMap<string, Override> {
  const checked = new Map<string, Override>()
  for (const [name, override] of Object.entries(overrides)) {
    if (override === undefined) continue
    if (!name.includes('.') && !builtinNames.has(name)) rejectName(name, `pg_catalog has no type ${name}`)
    if (name.startsWith('pg_catalog.')) rejectName(name, 'types of pg_catalog go by their bare name')
    checked.set(name, override)
  }
  return checked
}

function rejectName(name: string, why: string): never {
  throw new WalwireError('bad_option', { what: `there is no type '${name}' to override`, why, hint: nameHint(name) })
}
