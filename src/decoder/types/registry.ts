import { WalwireError } from '../../protocol/messages/errors.ts'
import { type SliceText, sliceUtf8, sliceUtf8Strictly } from '../text.ts'
import { arrayCodec } from './array.ts'
import { type BuiltinType, builtinRanges, builtinTypes } from './builtin.ts'
import { type CatalogAttribute, type CatalogType, typesUnder } from './catalog-type.ts'
import type { Codec, ReadValue } from './codec.ts'
import { compositeCodec } from './composite.ts'
import { extensionCodec } from './extension-types.ts'
import { finiteIntervalCodec, intervalCodec } from './interval.ts'
import { bytesWhereInvalid } from './invalid-text.ts'
import { jsonValue } from './json-value.ts'
import { multirangeCodec } from './multirange.ts'
import { builtinOids } from './names.ts'
import { checkOverrides, type Override, type TypeOverrides } from './overrides.ts'
import { rangeCodec } from './range.ts'
import { textCodec, textOnlyCodec } from './string.ts'
import { textValueCodec } from './text-value.ts'

export type { CatalogAttribute, CatalogType } from './catalog-type.ts'
export type { ReadValue } from './codec.ts'

/** What a type is made as; `unknown` for one that the catalog has no more. */
export type TypeKind = 'base' | 'array' | 'composite' | 'domain' | 'enum' | 'multirange' | 'range' | 'unknown'

/** A type, and how its values are read and written. */
export interface PgType {
  readonly oid: number
  readonly schema: string
  /** `pg_type.typname`, without the schema. */
  readonly name: string
  /** The bare name of a type of pg_catalog, `schema.name` of any other: what overrides and events call it. */
  readonly label: string
  readonly kind: TypeKind
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
  /** A value of this type, or null, as JSON on one line: what `toJsonLine` writes. */
  readonly writeJson: (value: unknown) => string
}

/** How a {@link TypeRegistry} reads. */
export interface TypeRegistryOptions {
  readonly overrides?: TypeOverrides | undefined
  /** `text`: every value is the server's text as a string. */
  readonly values?: 'native' | 'text' | undefined
  /**
   * The server sends text that nobody has checked, since its encoding is SQL_ASCII: what is not UTF-8 is an error, or is
   * delivered as a Uint8Array of its own. Default: text is UTF-8.
   */
  readonly uncheckedText?: 'error' | 'bytes' | undefined
  /** Major version of the server. Before 17 the greatest interval is not infinite. Default: the newest. */
  readonly serverVersion?: number | undefined
  /**
   * Called when values of a type are read as text from now on, or some of them are, although their type could be read:
   * a composite that was altered after they were written, a type that is nested too deeply. Once for each type.
   */
  readonly onMismatch?: ((type: PgType, why: string) => void) | undefined
}

/** Types in types in types: what is nested deeper reads as text. A table's row type in a table's row type is 2. */
const maxDepth = 64

/** A type, and what those made of it need to know. */
interface KnownType {
  /** What callers get, which is text where every value is. */
  readonly face: PgType
  /** How it is read inside other types: with overrides, never as text. */
  readonly codec: Codec
  readonly delimiter: string
  /** Its values are arrays. */
  readonly isArray: boolean
  /** Its values, or what is in them, may be the bytes of a text that is not UTF-8. */
  readonly mayBeBytes: boolean
  readonly depth: number
  /** The types that it is made of, where it was added. */
  readonly under: readonly number[]
}

interface KnownComposite {
  readonly attributes: readonly CatalogAttribute[]
  /** As {@link CatalogType} has it. */
  uncertainBelow: bigint
}

const beyondEveryLsn = 1n << 64n

/** What a type is called, and what it is made as. */
type TypeName = Pick<PgType, 'oid' | 'schema' | 'name' | 'kind'>

/** How a type is made: of other types, or of none. */
interface Making {
  readonly codec: Codec
  readonly delimiter?: string | undefined
  readonly isArray?: boolean
  readonly mayBeBytes?: boolean
  readonly depth?: number
  readonly under?: readonly number[]
}

/** The types of one server, by OID. */
export class TypeRegistry {
  readonly #types = new Map<number, KnownType>()
  readonly #overrides: ReadonlyMap<string, Override>
  readonly #asText: boolean
  readonly #uncheckedText: TypeRegistryOptions['uncheckedText']
  readonly #sliceText: SliceText
  readonly #onMismatch: TypeRegistryOptions['onMismatch']
  readonly #mismatched = new Set<number>()
  readonly #composites = new Map<number, KnownComposite>()
  #commitLsn = beyondEveryLsn - 1n

  /** @throws {WalwireError} `bad_option` for overrides of names that no type has, or where every value is to be text. */
  constructor(options: TypeRegistryOptions = {}) {
    this.#overrides = checkOverrides(options.overrides ?? {})
    this.#asText = options.values === 'text'
    this.#uncheckedText = options.uncheckedText
    this.#sliceText = this.#uncheckedText === undefined ? sliceUtf8 : sliceUtf8Strictly
    this.#onMismatch = options.onMismatch
    if (this.#asText && this.#overrides.size > 0) {
      throw new WalwireError('bad_option', {
        what: "the options 'types' and 'values' do not go together",
        why: "with values: 'text' every value stays the server's text",
        hint: "leave out 'types', or values: 'text'",
      })
    }
    const knowsInfiniteIntervals = (options.serverVersion ?? 17) >= 17
    const scalars: readonly BuiltinType[] = builtinTypes
    for (const type of scalars) {
      const isInterval = type.codec === intervalCodec
      const codec = isInterval && !knowsInfiniteIntervals ? finiteIntervalCodec : type.codec
      this.#keepBuiltin(type, 'base', { ...this.#checked(codec), delimiter: type.delimiter })
    }
    for (const { multirange, subtypeOid, ...range } of builtinRanges) {
      this.#keepBuiltin(range, 'range', this.#range(this.#types.get(subtypeOid)!))
      this.#keepBuiltin(multirange, 'multirange', this.#multirange(this.#types.get(range.oid)!))
    }
  }

  /** A type that is built in or was added; undefined means that the catalog must be asked. */
  get(oid: number): PgType | undefined {
    return this.#types.get(oid)?.face
  }

  /**
   * Adds a type from the catalog. It is read as what it is when the types under it were added before, else as text; so
   * are base types that are not known. A built-in type stays what it is: the catalog's answer for a domain names its base
   * too.
   */
  add(type: CatalogType): PgType {
    const builtin = builtinOids.has(type.oid) ? this.#types.get(type.oid) : undefined
    if (builtin !== undefined) return builtin.face
    const { oid, schema, name, delimiter } = type
    const under = typesUnder(type)
    const inner = under.map((each) => this.#types.get(each))
    const depth = 1 + Math.max(0, ...inner.map((each) => each?.depth ?? 0))
    const isKnown = inner.every((each) => each !== undefined)
    const made = isKnown && depth <= maxDepth ? this.#make(type) : this.#checked(textOnlyCodec)
    const kept = this.#keep({ oid, schema, name, kind: kindOf(type) }, { delimiter, depth, under, ...made })
    if (depth > maxDepth) this.#mismatch(oid, `it is nested more than ${maxDepth} types deep`)
    return kept.face
  }

  /** Adds a type that the catalog has no more, as text: it was dropped after rows with it were written. */
  addUnknown(oid: number): PgType {
    return this.#keep({ oid, schema: '', name: `${oid}`, kind: 'unknown' }, this.#checked(textOnlyCodec)).face
  }

  /** How many types are known, those that are built in included. */
  get size(): number {
    return this.#types.size
  }

  /**
   * Forgets what was added, but for these types and those that they are made of.
   *
   * @returns what was forgotten
   */
  retain(oids: Iterable<number>): ReadonlySet<number> {
    const used = new Set(oids)
    // what is added while the set is gone through is gone through too
    for (const oid of used) for (const under of this.#types.get(oid)?.under ?? []) used.add(under)
    const unused = new Set([...this.#types.keys()].filter((oid) => !used.has(oid) && !builtinOids.has(oid)))
    for (const oid of unused) {
      this.#types.delete(oid)
      this.#composites.delete(oid)
      this.#mismatched.delete(oid)
    }
    return unused
  }

  /**
   * The attributes of each composite type that was added: the one kind of type that may be altered into another under its
   * OID, and of which the stream does not say when.
   */
  get composites(): ReadonlyMap<number, { readonly attributes: readonly CatalogAttribute[] }> {
    return this.#composites
  }

  /** Says that a composite type was altered: its values are read as text from now on, inside other types too. */
  distrust(oid: number): void {
    const composite = this.#composites.get(oid)
    if (composite !== undefined) composite.uncertainBelow = beyondEveryLsn
  }

  /**
   * Says where the transaction committed whose values are read from now on: see {@link CatalogType.uncertainBelow}. Until
   * it is said they are taken for later than all that is known.
   */
  at(commitLsn: bigint): void {
    this.#commitLsn = commitLsn
  }

  /** A type whose inner types are all known. */
  #make(type: CatalogType): Making {
    const inner = (oid: number | undefined) => this.#types.get(oid ?? 0)
    const element = inner(type.elementOid)
    if (element !== undefined) return this.#array(element)
    const base = inner(type.baseOid)
    if (base !== undefined) return { codec: base.codec, isArray: base.isArray, mayBeBytes: base.mayBeBytes }
    const subtype = inner(type.subtypeOid)
    if (subtype !== undefined) return this.#range(subtype)
    const range = inner(type.rangeOid)
    if (range !== undefined) return this.#multirange(range)
    if (type.typtype === 'c' && type.attributes !== undefined) return this.#composite(type, type.attributes)
    // an enum's binary form is its label
    const codec = type.typtype === 'e' ? textCodec : extensionCodec(type.output, type.send)
    return this.#checked(codec ?? textOnlyCodec)
  }

  #array(element: KnownType): Making {
    const { delimiter, isArray, mayBeBytes, face } = element
    const make = (codec: Codec) => arrayCodec({ oid: face.oid, codec, delimiter, isArray })
    return { codec: withPlain(make, element.codec), isArray: true, mayBeBytes, depth: element.depth + 1 }
  }

  #range({ codec, mayBeBytes, depth }: KnownType): Making {
    const make = (bound: Codec) => this.#orBytes(rangeCodec(bound, this.#sliceText), mayBeBytes)
    return { codec: withPlain(make, codec), mayBeBytes, depth: depth + 1 }
  }

  #multirange({ codec, mayBeBytes, depth }: KnownType): Making {
    return { codec: withPlain(multirangeCodec, codec), isArray: true, mayBeBytes, depth: depth + 1 }
  }

  #composite({ oid, uncertainBelow = 0n }: CatalogType, attributes: readonly CatalogAttribute[]): Making {
    const composite: KnownComposite = { attributes, uncertainBelow }
    this.#composites.set(oid, composite)
    const context = {
      sliceText: this.#sliceText,
      onMismatch: (why: string) => this.#mismatch(oid, why),
      isUncertain: () => this.#commitLsn < composite.uncertainBelow,
      codecOf: (inner: number) => this.#types.get(inner)?.codec,
    }
    const known = attributes.map(({ name, typeOid }) => ({ name, typeOid, type: this.#types.get(typeOid)! }))
    const mayBeBytes = known.some(({ type }) => type.mayBeBytes)
    const make = (pick: (codec: Codec) => Codec) => {
      const fields = known.map(({ name, typeOid, type }) => ({ name, typeOid, codec: pick(type.codec) }))
      return this.#orBytes(compositeCodec(fields, context), mayBeBytes)
    }
    const codec = make((inner) => inner)
    const isOverridden = known.some(({ type }) => type.codec.plain !== undefined)
    return { codec: isOverridden ? { ...codec, plain: make((inner) => inner.plain ?? inner) } : codec, mayBeBytes }
  }

  /** The codec of a type that is made of no others. */
  #checked(codec: Codec): Making {
    if (this.#uncheckedText === undefined || codec.strict === undefined) return { codec }
    const mayBeBytes = this.#uncheckedText === 'bytes'
    return { codec: this.#orBytes(codec.strict, mayBeBytes), mayBeBytes }
  }

  #orBytes(codec: Codec, mayBeBytes: boolean): Codec {
    return mayBeBytes ? bytesWhereInvalid(codec) : codec
  }

  #keepBuiltin(type: Pick<BuiltinType, 'oid' | 'arrayOid' | 'name'>, kind: TypeKind, making: Making): void {
    const { oid, arrayOid, name } = type
    const kept = this.#keep({ oid, schema: 'pg_catalog', name, kind }, making)
    if (arrayOid === 0) return
    this.#keep({ oid: arrayOid, schema: 'pg_catalog', name: `_${name}`, kind: 'array' }, this.#array(kept))
  }

  #keep(name: TypeName, making: Making): KnownType {
    const { codec, delimiter = ',', isArray = false, mayBeBytes = false, depth = 0, under = [] } = making
    const label = name.schema === 'pg_catalog' || name.schema === '' ? name.name : `${name.schema}.${name.name}`
    const override = this.#overrides.get(label)
    const kept = override === undefined ? codec : overridden(codec, override)
    const shown = this.#asText ? this.#orBytes(textValueCodec(codec, this.#sliceText), mayBeBytes) : kept
    const { readText, readBinary, binaryExact, encodeText, encodeBinary, writeJson = jsonValue } = shown
    const face: PgType = { ...name, label, readText, readBinary, binaryExact, encodeText, encodeBinary, writeJson }
    const known: KnownType = { face, codec: kept, delimiter, isArray, mayBeBytes, depth, under }
    this.#types.set(name.oid, known)
    return known
  }

  #mismatch(oid: number, why: string): void {
    if (this.#mismatched.has(oid)) return
    this.#mismatched.add(oid)
    const type = this.get(oid)
    if (type !== undefined) this.#onMismatch?.(type, why)
  }
}

/** A codec made of another one, and beside it the one made of that without overrides, where it has any. */
function withPlain(make: (codec: Codec) => Codec, inner: Codec): Codec {
  return inner.plain === undefined ? make(inner) : { ...make(inner), plain: make(inner.plain) }
}

function overridden(codec: Codec, override: Override): Codec {
  const { readText, readBinary } = codec
  return {
    ...codec,
    readText: (bytes, start, end) => override(readText(bytes, start, end)),
    readBinary: readBinary && ((bytes, start, end) => override(readBinary(bytes, start, end))),
    writeJson: jsonValue,
    plain: codec.plain ?? codec,
  }
}

function kindOf({ typtype, elementOid }: CatalogType): TypeKind {
  if (elementOid !== 0) return 'array'
  switch (typtype) {
    case 'c':
      return 'composite'
    case 'd':
      return 'domain'
    case 'e':
      return 'enum'
    case 'm':
      return 'multirange'
    case 'r':
      return 'range'
    default:
      return 'base'
  }
}
