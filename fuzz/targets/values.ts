import { inspect, isDeepStrictEqual } from 'node:util'
import type { PgType, TypeRegistry } from '../../src/decoder/types/registry.ts'
import { readCorpusJson } from '../corpus.ts'
import { oidsOf, pickOid, registryOf } from '../known-types.ts'
import { replaced, withInt32 } from '../mutate.ts'
import type { Random } from '../random.ts'
import { demand, type Target } from '../target.ts'

/*
 * An input is the Int32 OID of a type and what the server might send for it. Types that are not built in are those of
 * one recorded server.
 */

const version = 17
const oidBytes = 4
const longestNumber = 1 << 18

/** A value as a server sends it, in both formats. */
interface RecordedValue {
  readonly oid: number
  readonly text: string
  readonly binary: string
}

/** Every type's text form. */
export const textValuesTarget: Target = {
  name: 'text-values',
  about:
    'the text of every type, nested ones above all: a value that is written and read as the same value, or a place',
  seeds: () => recorded().map(({ oid, text }) => asInput(oid, new TextEncoder().encode(text))),
  words: [
    '{',
    '}',
    '"',
    '\\',
    ',',
    ';',
    '(',
    ')',
    '[',
    ']',
    ':',
    '=',
    '\\"',
    '""',
    'NULL',
    'empty',
    '{{',
    '}}',
    '=>',
    '\\\\\\\\',
  ],
  mutate: changeType,
  grow: growBody,
  mayAllocate: (bytes) => 400 * bytes,
  run(input) {
    const type = typeOf(input)
    const value = readInPlace(type.readText, input)
    type.writeJson(value)
    const written = attempt(() => type.encodeText(value))
    if (written === undefined) return
    const again = read(type.readText, utf8(written), `what ${type.label} writes`)
    demand(
      isDeepStrictEqual(again, value) || isNotAscii(input),
      () => `${type.label} reads ${show(value)}, writes ${show(written)}, reads ${show(again)}`,
    )
  },
}

/** Every type's binary form. */
export const binaryValuesTarget: Target = {
  name: 'binary-values',
  about: 'the binary form of every type that has one: the same value through text and through binary, or a place',
  seeds: () => recorded().map(({ oid, binary }) => asInput(oid, new Uint8Array(Buffer.from(binary, 'hex')))),
  mutate: changeType,
  grow: growBody,
  // a numeric of ten bytes may be a number of 131,072 digits, and an array may hold one in every fourteen bytes
  mayAllocate: (bytes) => 400 * bytes + Math.ceil(bytes / 12) * 8 * longestNumber,
  run(input) {
    const type = typeOf(input)
    if (type.readBinary === undefined) return
    const value = readInPlace(type.readBinary, input)
    type.writeJson(value)
    const written = attempt(() => type.encodeBinary?.(value))
    if (written !== undefined) {
      const again = read(type.readBinary, written, `the binary form that ${type.label} writes`)
      demand(
        isDeepStrictEqual(again, value),
        () => `${type.label} reads ${show(value)}, and after writing ${show(again)}`,
      )
    }
    const text = type.binaryExact ? attempt(() => type.encodeText(value)) : undefined
    if (text === undefined) return
    const throughText = read(type.readText, utf8(text), `what ${type.label} writes`)
    demand(
      isDeepStrictEqual(throughText, value) || isAltered(type, input),
      () => `${type.label} reads ${show(value)}, and through text ${show(throughText)}`,
    )
  },
}

/**
 * What cannot be written although it was read, since no server sends it: U+0000 in a text, and a composite whose type is
 * said to have changed, which is its text then.
 */
const unwritable = /^a Postgres string holds neither U\+0000|^a composite's value is an object, not string/

function attempt<Written>(write: () => Written): Written | undefined {
  try {
    return write()
  } catch (error) {
    if (error instanceof TypeError && unwritable.test(error.message)) return undefined
    throw error
  }
}

/** Whether a composite in the value has other attributes than its type: it is its text then, which may suit the type. */
function isAltered({ oid }: PgType, input: Uint8Array): boolean {
  let altered = false
  const registry = registryOf(version, () => {
    altered = true
  })
  const reader = registry.get(oid)?.readBinary
  if (reader !== undefined) readInPlace(reader, input)
  return altered
}

/** Most types have no text but ASCII, and are not searched for any other. */
function isNotAscii(input: Uint8Array): boolean {
  return input.subarray(oidBytes).some((byte) => byte > 0x7f)
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

let types: TypeRegistry | undefined
let oids: readonly number[] | undefined

function typeOf(input: Uint8Array): PgType {
  types ??= registryOf(version)
  oids ??= oidsOf(version)
  const [a = 0, b = 0, c = 0, d = 0] = input
  const oid = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
  const type = types.get(oid) ?? types.get(oids[oid % oids.length]!)
  demand(type !== undefined, `a type of the registry's own list is not in it`)
  return type
}

/** Reads between bytes that belong to others and are overwritten afterwards: a value must not depend on them. */
function readInPlace(reader: PgType['readText'], input: Uint8Array): unknown {
  const body = input.subarray(oidBytes)
  const first = within(reader, body, 0x22)
  demand(
    isDeepStrictEqual(within(reader, body, 0x7d), first),
    () => `a value depends on bytes that are not its own: ${show(first)}`,
  )
  return first
}

function within(reader: PgType['readText'], body: Uint8Array, around: number): unknown {
  const bytes = new Uint8Array(body.length + 16).fill(around)
  bytes.set(body, 8)
  try {
    return reader(bytes, 8, 8 + body.length)
  } finally {
    bytes.fill(0x2a)
  }
}

/** Reads what we wrote, which must not fail. */
function read(reader: PgType['readText'], bytes: Uint8Array, what: string): unknown {
  try {
    return reader(bytes, 0, bytes.length)
  } catch (error) {
    demand(false, `${what} cannot be read back: ${error}`)
  }
}

function changeType(input: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  types ??= registryOf(version)
  oids ??= oidsOf(version)
  // another type's text, or this one under another type
  if (random.once(2)) return withInt32(input, 0, pickOid(oids, types, random))
  const body = other.subarray(oidBytes)
  const at = oidBytes + random.below(Math.max(1, input.length - oidBytes))
  return replaced(input, Math.min(at, input.length), random.once(2) ? input.length : Math.min(at, input.length), body)
}

/** Repeats a piece of the value and not of the OID. */
function growBody(input: Uint8Array, random: Random) {
  const from = oidBytes + random.below(Math.max(1, input.length - oidBytes))
  const to = Math.min(input.length, from + random.upTo(64))
  return (times: number) => {
    const piece = input.subarray(from, to)
    const more = new Uint8Array(piece.length * (times - 1))
    for (let time = 0; time < times - 1; time++) more.set(piece, time * piece.length)
    return from > input.length ? input : replaced(input, to, to, more)
  }
}

function recorded(): readonly RecordedValue[] {
  return readCorpusJson(`values/pg${version}.json`)
}

function asInput(oid: number, body: Uint8Array): Uint8Array {
  const input = new Uint8Array(oidBytes + body.length)
  input.set(body, oidBytes)
  return withInt32(input, 0, oid)
}

function show(value: unknown): string {
  return inspect(value, { depth: 8, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 200 }).slice(0, 300)
}
