import type { Codec } from './codec.ts'
import { cubeCodec } from './cube.ts'
import { hstoreCodec } from './hstore.ts'
import { textCodec } from './string.ts'
import { versionedTextCodec } from './versioned-text.ts'

/** A type that comes with an extension, and whose binary form is known. */
export interface ExtensionType {
  /** What docs/types.md calls it. */
  readonly name: string
  /**
   * The type's output and send functions, as {@link CatalogType} names them: schema, name and OID of an extension's types
   * are whatever the database made of them, and any type may be called hstore.
   */
  readonly output: string
  readonly send: string
  readonly codec: Codec
}

const ltreeCodec = versionedTextCodec('ltree')

/** Types of extensions that come with PostgreSQL, but for those that have no binary form: isn, seg and others are text. */
export const extensionTypes: readonly ExtensionType[] = [
  { name: 'citext', output: 'textout', send: 'textsend', codec: textCodec },
  { name: 'cube', output: '$libdir/cube:cube_out', send: '$libdir/cube:cube_send', codec: cubeCodec },
  { name: 'hstore', output: '$libdir/hstore:hstore_out', send: '$libdir/hstore:hstore_send', codec: hstoreCodec },
  { name: 'ltree', output: '$libdir/ltree:ltree_out', send: '$libdir/ltree:ltree_send', codec: ltreeCodec },
  { name: 'lquery', output: '$libdir/ltree:lquery_out', send: '$libdir/ltree:lquery_send', codec: ltreeCodec },
  { name: 'ltxtquery', output: '$libdir/ltree:ltxtq_out', send: '$libdir/ltree:ltxtq_send', codec: ltreeCodec },
]

/** The codec of a type whose binary form can be told by its functions. */
export function extensionCodec(output: string | undefined, send: string | undefined): Codec | undefined {
  return extensionTypes.find((type) => type.output === output && type.send === send)?.codec
}
