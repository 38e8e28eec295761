import type fc from 'fast-check'
import { type BuiltinType, builtinTypes } from '../../decoder/types/builtin.ts'
import { binaryForms, infiniteInterval, opaqueForms, upperChar } from './binary-forms.ts'
import { either } from './either.ts'
import { extensionForms } from './extension-forms.ts'
import { madeForms } from './made-forms.ts'
import { binaryArrayOf, textArrayOf } from './nested-forms.ts'
import { rangeForms } from './range-forms.ts'
import { textForms } from './text-forms.ts'

/** A type that is tried, with what its values are written as. */
export type FuzzedType =
  | {
      /** In SQL, as a column is declared: `int4`, `bit(9)[]`. */
      readonly name: string
      /** What the type's input function takes. */
      readonly written: 'text'
      readonly forms: fc.Arbitrary<string>
    }
  | {
      readonly name: string
      /** What the type's receive function takes. */
      readonly written: 'binary'
      readonly forms: fc.Arbitrary<Uint8Array>
    }

/** What a server has that decides which types there are, and which values of them. */
export interface ServerTypes {
  /** Major version. */
  readonly version: number
  /** Extensions that could be made. */
  readonly extensions: readonly string[]
}

/** All types that are tried, each followed by its arrays. */
export function fuzzedTypes({ version, extensions }: ServerTypes): FuzzedType[] {
  const binary: Record<string, fc.Arbitrary<Uint8Array>> = { ...binaryForms, ...opaqueForms }
  const also = (type: string, forms: fc.Arbitrary<Uint8Array>) => {
    const usual = binary[type]
    if (usual !== undefined) binary[type] = either({ weight: 19, arbitrary: usual }, { weight: 1, arbitrary: forms })
  }
  if (version >= 15) also('"char"', upperChar)
  if (version >= 17) also('interval', infiniteInterval)
  const text = Object.assign(
    { ...textForms, ...rangeForms, ...madeForms },
    ...extensions.map((extension) => extensionForms[extension]),
  )
  return [
    ...Object.entries(binary).flatMap(([name, forms]): FuzzedType[] => [
      { name, written: 'binary', forms },
      { name: `${name}[]`, written: 'binary', forms: binaryArrayOf(forms, oidOf(name)) },
    ]),
    ...Object.entries<fc.Arbitrary<string>>(text).flatMap(([name, forms]): FuzzedType[] => [
      { name, written: 'text', forms },
      { name: `${name}[]`, written: 'text', forms: textArrayOf(forms) },
    ]),
  ]
}

const builtins: readonly BuiltinType[] = builtinTypes

/** The OID of a built-in type by its name in SQL, which may have a length behind it. */
function oidOf(name: string): number {
  const bare = name.replace(/^"|"$|\(\d+\)$/g, '')
  const type = builtins.find((candidate) => candidate.name === bare)
  if (type === undefined) throw new Error(`there is no built-in type ${name}`)
  return type.oid
}
