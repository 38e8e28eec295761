import { WalwireError } from '../../protocol/messages/errors.ts'
import { builtinNames, nameHint } from './names.ts'
import { type PgType, TypeRegistry } from './registry.ts'

let defaultTypes: TypeRegistry | undefined

function typeOf(type: string | number): PgType {
  defaultTypes ??= new TypeRegistry()
  const oid = typeof type === 'number' ? type : builtinNames.get(type)
  const known = oid === undefined ? undefined : defaultTypes.get(oid)
  if (known !== undefined) return known
  throw new WalwireError('bad_option', {
    what: `type ${type} is not known`,
    why: 'it is not built into PostgreSQL',
    hint: typeof type === 'number' ? 'add it to a TypeRegistry, whose types read and write texts too' : nameHint(type),
  })
}

const encoder = new TextEncoder()

/**
 * Reads a value out of the text that the server writes for it, as a feed without overrides does.
 *
 * @param type OID or name (as in pg_type: `int4`, `_int4`) of a built-in type
 * @param text under the settings that walwire asks for: DateStyle ISO, IntervalStyle postgres, TimeZone UTC,
 *   extra_float_digits 3; bytea in both its forms
 * @throws {WalwireError} `bad_option` for a type that is not built in
 * @throws {ProtocolError} when it is not a text of that type, as far as that must be known to read it
 */
export function decodeText(type: string | number, text: string | Uint8Array): unknown {
  const bytes = typeof text === 'string' ? encoder.encode(text) : text
  return typeOf(type).readText(bytes, 0, bytes.length)
}

/**
 * Reads a value out of what the type's send function gives, as a feed without overrides does.
 *
 * @throws {WalwireError} `bad_option` for a type that is not built in, or whose binary form is not known
 * @throws {ProtocolError} when it is not the binary form of a value of that type
 */
export function decodeBinary(type: string | number, bytes: Uint8Array): unknown {
  const { label, readBinary } = typeOf(type)
  return (readBinary ?? unknownForm(label))(bytes, 0, bytes.length)
}

/**
 * The inverse of {@link decodeText}: a text that the server reads as that value.
 *
 * @throws {WalwireError} `bad_option` for a type that is not built in
 * @throws {TypeError} when the value is not of the kind that this type is read as
 */
export function encodeText(type: string | number, value: unknown): string {
  return typeOf(type).encodeText(value)
}

/**
 * The inverse of {@link decodeBinary}: what the type's receive function takes.
 *
 * @throws {WalwireError} `bad_option` for a type that is not built in, or whose binary form is not known
 * @throws {TypeError} when the value is not of the kind that this type is read as
 */
export function encodeBinary(type: string | number, value: unknown): Uint8Array {
  const { label, encodeBinary } = typeOf(type)
  return (encodeBinary ?? unknownForm(label))(value)
}

function unknownForm(label: string): never {
  throw new WalwireError('bad_option', {
    what: `the binary form of ${label} is not known`,
    why: 'the type has none, or it does not say what the text says',
    hint: 'use the text',
  })
}
