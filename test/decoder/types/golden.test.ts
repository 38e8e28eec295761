import { describe, expect, test } from 'vitest'
import { builtinRanges, builtinTypes } from '../../../src/decoder/types/builtin.ts'
import { goldens } from './golden/cases.ts'
import { readRecorded, recordedTypes } from './golden/recorded.ts'
import { readInPlace } from './in-place.ts'

/** What servers said (golden/recorded.jsonl), in both directions and without one. */
const recorded = readRecorded()
const registries = new Map([14, 15, 16, 17, 18].map((version) => [version, recordedTypes(recorded, version)]))

const hex = (digits: string) => new Uint8Array(Buffer.from(digits, 'hex'))

describe.each(recorded.values.map(({ type, literal, forms }, index) => ({ type, literal, forms, index })))(
  '$type $literal',
  ({ forms, index }) => {
    const [name = '', literal = '', value = literal] = goldens[index] ?? []

    test('text and binary are the value, and the value is those', () => {
      expect(forms.length).toBeGreaterThan(0)
      for (const { versions, oid, text, binary } of forms) {
        for (const version of versions) {
          const type = registries.get(version)?.get(oid)
          if (type === undefined) throw new Error(`${name} was not recorded for PostgreSQL ${version}`)
          expect(readInPlace(type.readText, text)).toStrictEqual(value)
          expect(type.encodeText(value)).toBe(text)
          if (!type.binaryExact || binary === null || type.readBinary === undefined) continue
          expect(readInPlace(type.readBinary, hex(binary))).toStrictEqual(value)
          expect(Buffer.from(type.encodeBinary?.(value) ?? []).toString('hex')).toBe(binary)
        }
      }
    })
  },
)

test('the list is the one that was recorded, and newer servers know everything in it', () => {
  expect(recorded.values.map(({ type, literal }) => [type, literal])).toEqual(
    goldens.map(([type, literal]) => [type, literal]),
  )
  for (const { type, literal, forms } of recorded.values) {
    expect(
      forms.flatMap(({ versions }) => versions),
      `${type} ${literal}`,
    ).toEqual(expect.arrayContaining([17, 18]))
  }
})

test('every built-in type that has an input function is in the list', () => {
  const internal = /^(pg_node_tree|pg_ndistinct|pg_dependencies|pg_mcv_list|pg_brin_.*|gtsvector)$/
  const given = new Set(goldens.map(([type]) => type.replace(/["[\]]|\(.*/g, '')))
  const known = [...builtinTypes, ...builtinRanges, ...builtinRanges.map(({ multirange }) => multirange)]
  expect(known.map(({ name }) => name).filter((name) => !internal.test(name) && !given.has(name))).toEqual([])
})

test('binary forms are known and exact but for these', () => {
  const types = registries.get(18)
  const inexact = goldens.map(([name], index) => {
    const form = recorded.values[index]?.forms.find(({ versions }) => versions.includes(18))
    return types?.get(form?.oid ?? 0)?.binaryExact ? '' : name
  })
  expect([...new Set(inexact)].sort()).toEqual([
    '',
    'aclitem',
    'isbn13',
    'money',
    'query_int',
    'regclass',
    'regcollation',
    'regconfig',
    'regdictionary',
    'regnamespace',
    'regoper',
    'regoperator',
    'regproc',
    'regprocedure',
    'regrole',
    'regtype',
    'seg',
  ])
})
