/** An attribute of a composite type, as pg_attribute has it. */
export interface CatalogAttribute {
  readonly name: string
  readonly typeOid: number
}

/** A row of pg_type and what belongs to it, for a type that is not built in. */
export interface CatalogType {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** b base, c composite, d domain, e enum, m multirange, p pseudo, r range. */
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
  /** A composite's attributes in their order, without those that were dropped. */
  readonly attributes?: readonly CatalogAttribute[] | undefined
  /**
   * Of a composite that was altered not long ago: values of transactions that committed before this LSN may have been
   * written with other attributes, and do not say so.
   */
  readonly uncertainBelow?: bigint | undefined
  /** `rngsubtype` of a range. */
  readonly subtypeOid?: number | undefined
  /** The range type of a multirange, `rngtypid`. */
  readonly rangeOid?: number | undefined
  /**
   * The type's output and send functions, by what they are and not by what they are called: the server's own symbol
   * (`textout`), or for a C function its library and symbol (`$libdir/hstore:hstore_send`).
   */
  readonly output?: string | undefined
  readonly send?: string | undefined
}

/** The types that must be known before a type can be read. */
export function typesUnder(type: CatalogType): number[] {
  const oids = [type.elementOid, type.baseOid, type.subtypeOid ?? 0, type.rangeOid ?? 0]
  for (const { typeOid } of type.attributes ?? []) oids.push(typeOid)
  return oids.filter((oid) => oid !== 0)
}
