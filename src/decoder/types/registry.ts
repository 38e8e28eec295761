import { WalwireError } from '../../protocol/errors.ts'
import { type SliceText, sliceUtf8, sliceUtf8Strictly } from '../text.ts'
import { arrayReader } from './array.ts'
import { builtinTypes, semicolonDelimited } from './builtin.ts'
import type { Codec, ReadValue } from './codec.ts'
import { jsonbCodec, jsonCodec } from './json.ts'
import { builtinOids } from './names.ts'
import { checkOverrides, type Override, type TypeOverrides } from './overrides.ts'
import { dimensionsOf, PgArray, writeArray } from './pg-array.ts'
import { charCodec, readChar, textOnlyCodec, writeString } from './string.ts'

export type { ReadValue } from './codec.ts'

/** A type, and how its values are read and written. */
export interface PgType {
  readonly oid: number
  readonly schema: string
  /** `pg_type.typname`, without the schema. */
  readonly name: string
  /** The bare name of a type of pg_catalog, `schema.name` of any other: what overrides and events call it. */
  readonly label: string
  /**
   * @throws {ProtocolError} when the text is not one that the server writes for this type.
   * @throws {WalwireError} `value_too_long`, or `invalid_text` where text is read strictly.
   */
  readonly readText: ReadValue
  /**
   * Reads the result of the type's send function. Undefined where no binary form is known; where the value is not the
   * one that `readText` gives, `binaryExact` is false.
   *
   * @throws the same as `readText`
   */
  readonly readBinary: ReadValue | undefined
  /** `readBinary` gives the very value that `readText` gives: for everything inside the type too. */
  readonly binaryExact: boolean
  /**
   * The text that the server reads as `value`: the inverse of `readText` as it is without overrides.
   *
   * @throws {TypeError} when the value is not of the kind that this type is read as.
   */
  readonly encodeText: (value: unknown) => string
  /**
   * What the type's receive function takes: the inverse of `readBinary` as it is without overrides.
   *
   * @throws {TypeError} when the value is not of the kind that this type is read as.
   */
  readonly encodeBinary: ((value: unknown) => Uint8Array) | undefined
  /** The value is a string that is JSON itself, or a list of such: json and jsonb, where nothing overrides them. */
  readonly rawJson: boolean
}

/** A row of pg_type, for a type that is not built in. */
export interface CatalogType {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly typtype: string
  /** `typdelim`: what stands between elements where this type is the element of an array. */
  readonly delimiter: string
  /**
   * `typelem` of a true array, 0 for every other type. Arrays that are not built in are told by
   * `typsubscript = 'array_subscript_handler'::regproc`; `point` and others have a `typelem` too and are none.
   */
  readonly elementOid: number
  /** `typbasetype` of a domain, 0 for every other type. */
  readonly baseOid: number
}

/** How a {@link TypeRegistry} reads. */
export interface TypeRegistryOptions {
  readonly overrides?: TypeOverrides | undefined
  /** `text`: every value is the server's text as a string. */
  readonly values?: 'native' | 'text' | undefined
  /** The server sends text that nobody has checked, since its encoding is SQL_ASCII: check it. */
  readonly strictText?: boolean | undefined
}

/** A type as it is without overrides, and what arrays and domains over it need to know. */
interface KnownType extends PgType {
  readonly delimiter: string
  /** Its values are arrays. */
  readonly isArray: boolean
}

/** The types of one server, by OID. */
export class TypeRegistry {
  readonly #types = new Map<number, KnownType>()
  readonly #overrides: ReadonlyMap<string, Override>
  readonly #asText: boolean
  readonly #strict: boolean
  readonly #sliceText: SliceText

  /** @throws {WalwireError} `bad_option` for overrides of names that no type has, or where every value is to be text. */
  constructor(options: TypeRegistryOptions = {}) {
    this.#overrides = checkOverrides(options.overrides ?? {})
    this.#asText = options.values === 'text'
    this.#strict = options.strictText === true
    this.#sliceText = this.#strict ? sliceUtf8Strictly : sliceUtf8
    if (this.#asText && this.#overrides.size > 0) {
      throw new WalwireError('bad_option', {
        what: "the options 'types' and 'values' do not go together",
        why: "with values: 'text' every value stays the server's text",
        hint: "leave out 'types', or values: 'text'",
      })
    }
    for (const [oid, arrayOid, name, codec] of builtinTypes) {
      const delimiter = oid === semicolonDelimited ? ';' : ','
      const element = this.#keep({ oid, schema: 'pg_catalog', name, delimiter, isArray: false, ...this.#form(codec) })
      if (arrayOid !== 0) this.#keepArray({ oid: arrayOid, schema: 'pg_catalog', name: `_${name}` }, element)
    }
  }

  /** A type that is built in or was added; undefined means that the catalog must be asked. */
  get(oid: number): PgType | undefined {
    return this.#types.get(oid)
  }

  /**
   * Adds a type from the catalog. An array or domain is read as such when the type under it was added before; every
   * other type reads as text. A built-in type stays what it is: the catalog's answer for a domain names its base too.
   */
  add(type: CatalogType): PgType {
    const builtin = builtinOids.has(type.oid) ? this.#types.get(type.oid) : undefined
    if (builtin !== undefined) return builtin
    const element = type.elementOid === 0 ? undefined : this.#types.get(type.elementOid)
    if (element !== undefined) return this.#keepArray(type, element)
    const base = type.baseOid === 0 ? undefined : this.#types.get(type.baseOid)
    const { oid, schema, name, delimiter } = type
    if (base !== undefined) return this.#keep({ ...base, oid, schema, name, delimiter })
    return this.#keep({ oid, schema, name, delimiter, isArray: false, ...this.#form(textOnlyCodec) })
  }

  /** Adds a type that the catalog has no more, as text: it was dropped after rows with it were written. */
  addUnknown(oid: number): PgType {
    return this.add({ oid, schema: '', name: `${oid}`, typtype: 'b', delimiter: ',', elementOid: 0, baseOid: 0 })
  }

  #keepArray(type: Pick<PgType, 'oid' | 'schema' | 'name'>, element: KnownType): PgType {
    const { oid, schema, name } = type
    if (this.#asText) {
      return this.#keep({ oid, schema, name, delimiter: ',', isArray: false, ...this.#form(textOnlyCodec) })
    }
    return this.#keep({
      oid,
      schema,
      name,
      delimiter: ',',
      isArray: true,
      readText: arrayReader(element.readText, element.delimiter, element.isArray),
      readBinary: undefined,
      binaryExact: false,
      encodeText: arrayWriter(element),
      encodeBinary: undefined,
      rawJson: element.rawJson,
    })
  }

  #keep(type: Omit<KnownType, 'label'>): KnownType {
    const label =
      type.schema === 'pg_catalog' ? type.name : type.schema === '' ? type.name : `${type.schema}.${type.name}`
    const override = this.#overrides.get(label)
    const { readText, readBinary } = type
    const kept: KnownType =
      override === undefined
        ? { ...type, label }
        : {
            ...type,
            label,
            readText: (bytes, start, end) => override(readText(bytes, start, end)),
            readBinary: readBinary && ((bytes, start, end) => override(readBinary(bytes, start, end))),
            rawJson: false,
          }
    this.#types.set(kept.oid, kept)
    return kept
  }

  #form(
    given: Codec,
  ): Pick<PgType, 'readText' | 'readBinary' | 'binaryExact' | 'encodeText' | 'encodeBinary' | 'rawJson'> {
    if (this.#asText) {
      const readText = given === charCodec ? readChar : this.#sliceText
      const nothing = { readBinary: undefined, encodeBinary: undefined, binaryExact: false }
      return { readText, encodeText: writeString, ...nothing, rawJson: false }
    }
    const { readText, readBinary, binaryExact, encodeText, encodeBinary } = (this.#strict && given.strict) || given
    const rawJson = given === jsonCodec || given === jsonbCodec
    return { readText, readBinary, binaryExact, encodeText, encodeBinary, rawJson }
  }
}

function arrayWriter({ encodeText, delimiter, isArray }: KnownType): (value: unknown) => string {
  return (value) => {
    if (!Array.isArray(value)) throw new TypeError(`an array's value is an array, not ${typeof value}`)
    const lowerBounds = value instanceof PgArray ? value.lowerBounds : []
    const dimensions = lowerBounds.length > 0 ? lowerBounds.length : isArray ? 1 : dimensionsOf(value)
    return writeArray(value, lowerBounds, dimensions, delimiter, encodeText)
  }
}
