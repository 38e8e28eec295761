import { visible } from './visible-text.ts'

const plain = /^[\p{L}_][\p{L}\p{N}_$]*$/u

/** A table as one would write it: without the schema where that is `public`, quoted where SQL needs it. */
export function tableName({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return schema === 'public' ? shownName(name) : `${shownName(schema)}.${shownName(name)}`
}

/** A name of a column or a type's, quoted where it could be taken for something else. */
export function shownName(name: string): string {
  return plain.test(name) ? name : `"${visible(name).replaceAll('"', '""')}"`
}
