import { builtinRanges, builtinTypes, type TypeCategory } from '../../src/decoder/types/builtin.ts'
import { extensionTypes } from '../../src/decoder/types/extension-types.ts'
import { builtinNames } from '../../src/decoder/types/names.ts'
import { PgArray } from '../../src/decoder/types/pg-array.ts'
import { PgRange } from '../../src/decoder/types/pg-range.ts'
import { type PgType, TypeRegistry } from '../../src/decoder/types/registry.ts'
import { goldens } from '../decoder/types/golden/cases.ts'
import { readRecorded, recordedTypes } from '../decoder/types/golden/recorded.ts'
import { readDocument } from './documents.ts'

/*
 * docs/types.md: its tables are made of the registry and of the golden table, the rest of it is written by hand. In the
 * document a table stands between two comments, `<!-- table: NAME -->` and `<!-- end -->`.
 */

const categories: readonly TypeCategory[] = [
  'Booleans and numbers',
  'Text and bytes',
  'Dates and times',
  'JSON and XML',
  'Networks and identifiers',
  'Geometry',
  'Text search',
  'Object identifiers',
  'Transactions',
  'Ranges',
  'Of the system itself',
]

/** Why the text of a type cannot be made from its binary form. A reason for every such type, and for no other. */
const reasons: Readonly<Record<string, string>> = {
  money: 'the number alone: the text is for `lc_monetary` to say',
  aclitem: 'it has none; in an array it would end the stream with an error of the server',
  gtsvector: 'it has none',
  pg_ndistinct: 'bytes of the planner, whose text is made by the server',
  pg_dependencies: 'bytes of the planner, whose text is made by the server',
  pg_mcv_list: 'bytes of the planner, whose text is made by the server',
  pg_brin_bloom_summary: 'bytes of an index, whose text is made by the server',
  pg_brin_minmax_multi_summary: 'bytes of an index, whose text is made by the server',
}
const oidReason = 'the OID alone: the name is in the catalog'

const types = recordedTypes(readRecorded(), 18)

/** The document as it must be. */
export function typesPage(current = readDocument('docs/types.md')): string {
  return current.replace(
    /(<!-- table: (.*?) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin: string, name: string, end: string) => `${begin}\n${tableNamed(name)}\n${end}`,
  )
}

function tableNamed(name: string): string {
  if (name === 'built-in types')
    return categories.map((category) => `### ${category}\n\n${categoryTable(category)}`).join('\n')
  if (name === 'extensions') return typeTable(extensions())
  if (name === 'inexact') return inexactTable()
  if (name === 'without arrays') return `${withoutArrays()}\n`
  throw new Error(`docs/types.md wants a table that nothing makes: ${name}`)
}

/** A type and what it is called in SQL, where its golden values are. */
interface Entry {
  readonly name: string
  readonly type: Pick<PgType, 'binaryExact' | 'encodeBinary' | 'writeJson'>
}

function categoryTable(category: TypeCategory): string {
  if (category === 'Ranges') {
    return typeTable(
      [...builtinRanges, ...builtinRanges.map(({ multirange }) => multirange)].map(({ name }) => builtin(name)),
    )
  }
  return typeTable(builtinTypes.filter((type) => type.category === category).map(({ name }) => builtin(name)))
}

function builtin(name: string): Entry {
  const type = types.get(builtinNames.get(name) ?? 0)
  if (type === undefined) throw new Error(`the registry has no type ${name}`)
  return { name, type }
}

function extensions(): Entry[] {
  const known = extensionTypes.map(({ name, codec }) => ({ name, type: { writeJson: JSON.stringify, ...codec } }))
  // the registry knows no more of these than of any type that it does not know
  const text = new TypeRegistry().addUnknown(1)
  return [...known, ...['seg', 'isbn13', 'query_int'].map((name) => ({ name, type: text }))]
}

function typeTable(entries: readonly Entry[]): string {
  const rows = entries.map(({ name, type }) => {
    const values = valuesOf(name)
    const [example] = values.filter(({ text }) => text !== '' && text.length <= 40 && !/[|`\n]/.test(text))
    return [
      `\`${name}\``,
      valueKinds(values),
      jsonKinds(type, values),
      type.binaryExact ? 'exact' : 'text is used',
      type.encodeBinary === undefined ? 'text' : 'text, binary',
      example === undefined ? '' : `\`${example.text}\` is \`${written(example.value)}\``,
    ]
  })
  return table(['type', 'value', 'in JSON lines', 'binary', 'written as', 'for example'], rows)
}

interface Value {
  readonly text: string
  readonly value: unknown
}

/** The golden values of a type, with the server's text. */
function valuesOf(name: string): Value[] {
  const { values } = readRecorded()
  return goldens.flatMap(([type, literal, value = literal], index) => {
    const bare = type.replace(/\(.*/, '').replaceAll('"', '')
    const text = values[index]?.forms.find(({ versions }) => versions.includes(18))?.text
    return bare === name && text !== undefined ? [{ text, value }] : []
  })
}

function valueKinds(values: readonly Value[]): string {
  return [...new Set(values.map(({ value }) => kindOf(value)))].join(', ') || 'string'
}

function kindOf(value: unknown): string {
  if (value instanceof Uint8Array) return '`Uint8Array`'
  if (value instanceof PgRange) return '`PgRange`'
  if (Array.isArray(value)) return 'array of `PgRange`'
  return typeof value
}

function jsonKinds({ writeJson }: Entry['type'], values: readonly Value[]): string {
  if (writeJson('[1]') === '[1]') return 'the JSON itself'
  const kinds = new Set(values.map(({ value }) => typeof JSON.parse(writeJson(value))))
  return [...kinds].join(', ') || 'string'
}

function written(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (Object.is(value, -0)) return '-0'
  if (value instanceof Uint8Array) return `Uint8Array [${[...value].join(', ')}]`
  if (value instanceof PgArray) return `PgArray ${value}`
  if (value instanceof PgRange) return value.isEmpty ? 'PgRange.empty()' : `new PgRange(${rangeArguments(value)})`
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`
  return typeof value === 'string' ? `'${value.replace(/[\\']/g, '\\$&')}'` : String(value)
}

function rangeArguments({ lower, upper, bounds }: PgRange): string {
  return `${written(lower)}, ${written(upper)}${bounds === '[)' ? '' : `, '${bounds}'`}`
}

function inexactTable(): string {
  const inexact = builtinTypes.map(({ name }) => builtin(name)).filter(({ type }) => !type.binaryExact)
  const unused = Object.keys(reasons).filter((name) => !inexact.some((entry) => entry.name === name))
  if (unused.length > 0) throw new Error(`exact in binary form, with a reason why not: ${unused.join(', ')}`)
  const rows = inexact.map(({ name }) => {
    const reason = reasons[name] ?? (name.startsWith('reg') ? oidReason : undefined)
    if (reason === undefined) throw new Error(`not exact in binary form, without a reason: ${name}`)
    return [`\`${name}\``, reason]
  })
  return table(['type', 'what its binary form has'], rows)
}

function withoutArrays(): string {
  const names = builtinTypes.filter(({ arrayOid }) => arrayOid === 0).map(({ name }) => `\`${name}\``)
  return `Every type has an array type, but for ${names.slice(0, -1).join(', ')} and ${names.at(-1)}.`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}
