import { dimensionsOf, writeArray } from './array-text.ts'
import { writeBytea } from './bytea.ts'
import { writeFloat } from './float.ts'
import { quoteField } from './nested-text.ts'

/**
 * The text of a value whose type is not at hand, by what it is: for toString of arrays and ranges that the caller made, or
 * whose elements an override made. An object is taken for a composite, its properties in their order.
 */
export function writeByValue(value: unknown): string {
  switch (typeof value) {
    case 'boolean':
      return value ? 't' : 'f'
    case 'number':
      return writeFloat(value)
    case 'object': {
      if (value instanceof Uint8Array) return writeBytea(value)
      if (value instanceof Date) return value.toISOString()
      if (Array.isArray(value)) {
        // a PgArray knows where its subscripts begin and what stands between its elements; its text is made with this one
        return 'lowerBounds' in value ? String(value) : writeArray(value, [], dimensionsOf(value), ',', writeByValue)
      }
      if (value === null || Object.getPrototypeOf(value) !== Object.prototype) return String(value)
      const fields = Object.values(value).map((field) => (field === null ? '' : quoteField(writeByValue(field))))
      return `(${fields.join(',')})`
    }
    default:
      return String(value)
  }
}
