import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { builtinOids } from '../../../src/decoder/types/names.ts'
import { type CatalogType, type PgType, type ReadValue, TypeRegistry } from '../../../src/decoder/types/registry.ts'
import { ProtocolError, WalwireError } from '../../../src/protocol/messages/errors.ts'
import { law } from '../../property.ts'
import { readRecorded } from './golden/recorded.ts'

const recorded = readRecorded()
const made = recorded.types.filter(({ versions }) => versions.includes(18)).map(({ type }) => type)
const forms = recorded.values.flatMap(({ forms }) => forms.filter(({ versions }) => versions.includes(18)))

function registry(options: ConstructorParameters<typeof TypeRegistry>[0]): TypeRegistry {
  const types = new TypeRegistry(options)
  for (const type of made) types.add(type)
  return types
}

const oids = [...builtinOids, ...made.map(({ oid }) => oid)]

/** Anything, and what a server sent with a few bytes of it changed, cut or put in. */
const bytes = (seeds: readonly Uint8Array[]) => {
  const edges = fc.constantFrom([255, 255, 255, 255], [127, 255, 255, 255], [128, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1])
  const piece = fc.oneof(edges, fc.array(fc.nat(255), { maxLength: 4 }), fc.constantFrom(...'{}()[]",\\;=:'))
  const change = fc.tuple(fc.nat(1000), fc.nat(4), piece)
  const changed = fc.tuple(fc.constantFrom(...seeds), fc.array(change, { maxLength: 4 })).map(([seed, changes]) => {
    const list = [...seed]
    for (const [at, removed, put] of changes) {
      const codes = typeof put === 'string' ? [put.charCodeAt(0)] : put
      list.splice(at % (list.length + 1), removed, ...codes)
    }
    return Uint8Array.from(list)
  })
  return fc.oneof({ weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) }, { weight: 4, arbitrary: changed })
}

/** A value, or an error that says where; the bytes around the value are somebody else's. */
function outcome(read: ReadValue, value: Uint8Array, around: number): unknown {
  const padded = new Uint8Array(value.length + 16).fill(around)
  padded.set(value, 8)
  try {
    return read(padded, 8, 8 + value.length)
  } catch (error) {
    if (!(error instanceof WalwireError)) throw error
    if (error instanceof ProtocolError) {
      expect(error.offset).toBeGreaterThanOrEqual(0)
      expect(error.offset).toBeLessThanOrEqual(value.length)
    } else expect(error.code).toBe('invalid_text')
    return { refused: error.message }
  }
}

function expectOutcome({ label, writeJson }: PgType, read: ReadValue | undefined, value: Uint8Array): void {
  if (read === undefined) return
  const first = outcome(read, value, 0x22)
  expect(outcome(read, value, 0x7d), label).toStrictEqual(first)
  expect(writeJson(first), label).toBeTypeOf('string')
}

const registries: readonly (readonly [string, TypeRegistry])[] = [
  ['as ever', registry({})],
  ['checked, since nobody else did', registry({ uncheckedText: 'error' })],
  ['or its bytes', registry({ uncheckedText: 'bytes' })],
  ['all as text', registry({ values: 'text' })],
]

describe.each(registries)('any bytes are a value or an error that says where: text %s', (_, types) => {
  const anyType = fc.constantFrom(...oids)
  const typeOf = (oid: number) => types.get(oid)!
  const encoder = new TextEncoder()
  const texts = bytes(forms.map(({ text }) => encoder.encode(text)))
  const binaries = bytes(forms.map(({ binary }) => new Uint8Array(Buffer.from(binary ?? '', 'hex'))))

  law(
    'as text',
    fc.property(anyType, texts, (oid, value) => expectOutcome(typeOf(oid), typeOf(oid).readText, value)),
    2000,
  )

  law(
    'in binary form',
    fc.property(anyType, binaries, (oid, value) => expectOutcome(typeOf(oid), typeOf(oid).readBinary, value)),
    2000,
  )
})

describe('types in types in types', () => {
  const composite = (oid: number, inner: number): CatalogType => ({
    oid,
    schema: 'deep',
    name: `t${oid}`,
    typtype: 'c',
    delimiter: ',',
    elementOid: 0,
    baseOid: 0,
    attributes: [{ name: 'a', typeOid: inner }],
  })
  const first = 100_000

  function nested(depth: number): { types: TypeRegistry; mismatches: string[]; type: PgType } {
    const mismatches: string[] = []
    const types = new TypeRegistry({ onMismatch: ({ label }, why) => mismatches.push(`${label}: ${why}`) })
    let type = types.add(composite(first, 23))
    for (let level = 1; level < depth; level++) type = types.add(composite(first + level, first + level - 1))
    return { types, mismatches, type }
  }

  test('are read to any depth that a server could print; deeper ones are text, and that is said', () => {
    const { type, mismatches } = nested(200)
    const text = new TextEncoder().encode('("("("(1)")")")')
    expect(type.readText(text, 0, text.length)).toBe('("("("(1)")")")')
    expect(mismatches).toHaveLength(200 - 64)
    expect(mismatches[0]).toBe('deep.t100064: it is nested more than 64 types deep')
  })

  test('in binary form, at the greatest depth, do not reach the end of the stack', () => {
    const { types, type } = nested(64)
    let value: unknown = 7
    for (let level = 0; level < 64; level++) value = { a: value }
    const sent = type.encodeBinary?.(value) ?? new Uint8Array()
    expect(type.readBinary?.(sent, 0, sent.length)).toEqual(value)
    expect(types.get(first + 63)).toBe(type)
  })
})

/** The least of a few, since whoever else is at work on the machine only makes it longer. */
function fastestMs(read: ReadValue, bytes: Uint8Array): number {
  let least = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < 3; attempt++) {
    const begun = process.cpuUsage()
    read(bytes, 0, bytes.length)
    const { user, system } = process.cpuUsage(begun)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

describe('time grows as the value does', () => {
  const named = (name: string) => made.find((type) => type.name === name)?.oid ?? 0
  const types = registry({})
  const repeated = (piece: string) => (times: number) => piece.repeat(times)
  /** By type: begin, a piece, and end of a text. */
  const shapes: readonly (readonly [string, number, string, (times: number) => string, string])[] = [
    ['text[]', 1009, '{', repeated('"a\\"b",'), 'x}'],
    ['one long element with escapes', 1009, '{"', repeated('\\"'), '"}'],
    ['int4[]', 1007, '{', repeated('1,'), '1}'],
    ['lists of lists', 1007, '{', repeated('{1,2},'), '{3,4}}'],
    ['a composite with a long field', named('alone'), '("', repeated('""'), '")'],
    ['an array of composites', named('_address'), '{', repeated('"(1,\\"a \\"\\"b\\",,,,,)",'), '"(2,,,,,,)"}'],
    ['an array of arrays', named('_pair'), '{', repeated('"{1,2}",'), '"{3}"}'],
    ['a multirange', 4451, '{', repeated('[1,2),'), '[3,4)}'],
    ['a range with a long bound', named('words'), '["', repeated('""'), '",)'],
    ['bytea', 17, '\\x', repeated('ff'), ''],
    ['bytea as it once was', 17, '', repeated('\\000'), ''],
    ['numeric', 1700, '', repeated('9'), '.5'],
  ]

  test.each(shapes)('%s', (_, oid, begin, piece, end) => {
    const { readText, encodeText, writeJson } = types.get(oid)!
    const encoder = new TextEncoder()
    const ofLength = (bytes: number) => encoder.encode(begin + piece(Math.ceil(bytes / piece(1).length)) + end)
    const work: ReadValue = (bytes, start, end) => {
      const value = readText(bytes, start, end)
      writeJson(value)
      return encodeText(value)
    }
    const [short, long] = [ofLength(1 << 14), ofLength(1 << 18)].map((bytes) => fastestMs(work, bytes))
    // sixteen times the bytes; quadratic would be 256 times the time
    expect(long).toBeLessThan(80 * Math.max(short ?? 0, 0.5))
  })
})
