import { describe, expect, test } from 'vitest'
import { builtinTypes } from '../../../src/decoder/types/builtin.ts'
import type { Codec } from '../../../src/decoder/types/codec.ts'
import type { PgType } from '../../../src/decoder/types/registry.ts'
import { ProtocolError } from '../../../src/protocol/messages/errors.ts'
import { readRecorded, recordedTypes } from './golden/recorded.ts'
import { failureOf } from './in-place.ts'
import { type Refusal, refusedBinaries, refusedTexts } from './refused/cases.ts'

const recorded = readRecorded()
const types = recordedTypes(recorded, 18)
const made = recorded.types.filter(({ versions }) => versions.includes(18)).map(({ type }) => type)

function typeNamed(name: string): PgType {
  const oid = [...builtinTypes, ...made].find((type) => type.name === name)?.oid
  const type = types.get(oid ?? builtinOid(name))
  if (type === undefined) throw new Error(`there is no type ${name}`)
  return type
}

function builtinOid(name: string): number {
  const array = builtinTypes.find((type) => `_${type.name}` === name)
  return array?.arrayOid ?? rangeOids[name] ?? 0
}

const rangeOids: Readonly<Record<string, number>> = { int4range: 3904, numrange: 3906, int4multirange: 4451 }

function expectRefusal(failure: unknown, [, , offset, why]: Refusal): void {
  expect(failure).toBeInstanceOf(ProtocolError)
  expect(failure).toMatchObject({ offset, why: `${why} (byte ${offset})` })
}

describe('what no server sends is refused, with its place', () => {
  test.each(refusedTexts)('%s as text: %s', (...refusal) => {
    const [name, given] = refusal
    expectRefusal(failureOf(typeNamed(name).readText, given), refusal)
  })

  test.each(refusedBinaries)('%s in binary form: %s', (...refusal) => {
    const [name, given] = refusal
    const { readBinary = () => undefined } = typeNamed(name)
    expectRefusal(failureOf(readBinary, new Uint8Array(Buffer.from(given, 'hex'))), refusal)
  })

  test('every type whose binary form is another than its text has something that is refused, but for bytea', () => {
    const codecs: readonly { readonly name: string; readonly codec: Codec }[] = builtinTypes
    const own = codecs.filter(({ codec }) => codec.readBinary !== undefined && codec.readBinary !== codec.readText)
    const refused = new Set(refusedBinaries.map(([name]) => name.replace(/^reg.*/, 'reg')))
    expect(own.map(({ name }) => name.replace(/^reg.*/, 'reg')).filter((name) => !refused.has(name))).toEqual(['bytea'])
  })
})

test('no type writes what is none of its values', () => {
  const none = Symbol('none')
  for (const { name } of builtinTypes) {
    const { encodeText, encodeBinary } = typeNamed(name)
    expect(() => encodeText(none), name).toThrow(TypeError)
    if (encodeBinary !== undefined) expect(() => encodeBinary(none), `${name} in binary form`).toThrow(TypeError)
  }
})
