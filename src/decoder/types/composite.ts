import { int32At, uint32At } from '../../protocol/messages/big-endian.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { Writer } from '../../protocol/messages/writer.ts'
import type { Row } from '../relation.ts'
import { canGenerateCode, rowLiteral, setField } from '../row-reader.ts'
import type { SliceText } from '../text.ts'
import type { Codec, ReadValue } from './codec.ts'
import { jsonString, jsonValue } from './json-value.ts'
import {
  closeParenthesis,
  comma,
  openParenthesis,
  outside,
  quote,
  quotedEnd,
  quoteField,
  readQuoted,
  stopsAt,
  textOfSent,
} from './nested-text.ts'

/*
 * Text, as record_out writes it: fields in parentheses, apart by commas; nothing for NULL; in quotes where a field is empty
 * or holds a parenthesis, a comma, a quote, a backslash or white space; in quotes, quote and backslash are doubled.
 * https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX
 *
 * Binary, as record_send writes it: Int32 number of fields; for each Int32 OID of its type, Int32 length, -1 for NULL, and
 * its binary form. Attributes that were dropped are in neither.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/rowtypes.c
 */

/** An attribute of a composite type. */
export interface Attribute {
  readonly name: string
  readonly typeOid: number
  readonly codec: Codec
}

/** What a composite type needs besides its attributes. */
export interface CompositeContext {
  /** For values that do not have these attributes: the type was altered before or after they were written. */
  readonly sliceText: SliceText
  /** Called with what differs, each time. */
  readonly onMismatch: (why: string) => void
  /** Whether the values that are read may have been written before the type was altered to these attributes. */
  readonly isUncertain: () => boolean
  /** The types that such a value's fields may be of. */
  readonly codecOf: (oid: number) => Codec | undefined
}

/** A composite type: an object by the names of its attributes; the server's text where a value has others. */
export function compositeCodec(attributes: readonly Attribute[], context: CompositeContext): Codec<Row | string> {
  const isReadable = attributes.every(({ codec }) => codec.readBinary !== undefined)
  const isWritable = attributes.every(({ codec }) => codec.encodeBinary !== undefined)
  return {
    readText: textReader(attributes, context),
    readBinary: isReadable ? binaryReader(attributes, context) : undefined,
    encodeText: (value) => {
      // what was read as text is written as text
      if (typeof value === 'string') return value
      const row = checkRow(value)
      return `(${attributes.map(({ name, codec }) => fieldText(row, name, codec)).join(',')})`
    },
    encodeBinary: isWritable ? (value) => encodeBinary(checkRow(value), attributes) : undefined,
    binaryExact: attributes.every(({ codec }) => codec.binaryExact),
    writeJson: jsonWriter(attributes),
  }
}

const altered = 'it was altered, and its values do not say whether they were written before'

const stops = stopsAt(openParenthesis, closeParenthesis, comma)

/** Start and end of a field in a text, a quote included that it stands in. */
interface Field {
  readonly start: number
  readonly end: number
}

function textReader(attributes: readonly Attribute[], context: CompositeContext): ReadValue<Row | string> {
  const { sliceText, onMismatch, isUncertain } = context
  const toRow = rowMaker(attributes)
  const count = attributes.length
  return (bytes, start, end) => {
    if (isUncertain()) {
      onMismatch(altered)
      return sliceText(bytes, start, end)
    }
    // all fields are found before one is read: a value with others must not get to the caller's overrides
    const fields = fieldsOf(bytes, start, end)
    if (fields.length !== count && !(count === 0 && end - start === 2)) {
      onMismatch(`a value has ${fields.length} fields, the type ${count} attributes`)
      return sliceText(bytes, start, end)
    }
    const values: unknown[] = []
    for (let index = 0; index < count; index++) {
      const field = fields[index]!
      const { readText } = attributes[index]!.codec
      try {
        values.push(readField(bytes, field, readText))
      } catch (cause) {
        if (!(cause instanceof ProtocolError)) throw cause
        onMismatch(`attribute ${attributes[index]!.name} does not hold what its type says: ${cause.message}`)
        return sliceText(bytes, start, end)
      }
    }
    return toRow(values)
  }
}

function readField(bytes: Uint8Array, { start, end }: Field, read: ReadValue): unknown {
  if (start === end) return null
  if (bytes[start] !== quote) return read(bytes, start, end)
  return readQuoted(bytes, start, quotedEnd(bytes, start, end, true), read)
}

function fieldsOf(bytes: Uint8Array, start: number, end: number): Field[] {
  const fail = (at: number, why: string): never => {
    throw new ProtocolError('a composite could not be read', why, at - start)
  }
  if (bytes[start] !== openParenthesis || start >= end) fail(start, 'an opening parenthesis was expected')
  const fields: Field[] = []
  let at = start + 1
  for (;;) {
    const from = at
    if (at < end && bytes[at] === quote) {
      const stop = quotedEnd(bytes, at, end, true)
      if (stop < 0) fail(at, 'a quote is never closed')
      at = stop + 1
    } else while (at < end && stops[bytes[at]!] === 0) at++
    fields.push({ start: from, end: at })
    const next = at < end ? bytes[at]! : -1
    if (next !== comma && next !== closeParenthesis) fail(at, 'a comma or a closing parenthesis was expected')
    at++
    if (next === comma) continue
    if (at !== end) fail(at, 'something stands behind the last parenthesis')
    return fields
  }
}

function binaryReader(attributes: readonly Attribute[], context: CompositeContext): ReadValue<Row | string> {
  const toRow = rowMaker(attributes)
  return (bytes, start, end) => {
    const fields = binaryFieldsOf(bytes, start, end)
    const differs =
      fields.length !== attributes.length || fields.some(({ typeOid }, index) => typeOid !== attributes[index]!.typeOid)
    if (differs || context.isUncertain()) {
      context.onMismatch(differs ? 'a value has other attributes than the type' : altered)
      return otherwiseText(bytes, start, fields, context)
    }
    const values: unknown[] = []
    for (let index = 0; index < fields.length; index++) {
      const { start: from, end: to } = fields[index]!
      const { name, codec } = attributes[index]!
      try {
        values.push(from > to ? null : codec.readBinary!(bytes, from, to))
      } catch (cause) {
        throw outside(cause, `attribute ${name} of a binary composite`, from - start)
      }
    }
    return toRow(values)
  }
}

interface BinaryField extends Field {
  readonly typeOid: number
}

/** A NULL's end is before its start. */
function binaryFieldsOf(bytes: Uint8Array, start: number, end: number): BinaryField[] {
  const fail = (at: number, why: string): never => {
    throw new ProtocolError('a binary composite could not be read', why, at - start)
  }
  const count = end - start < 4 ? -1 : int32At(bytes, start)
  if (count < 0 || 8 * count > end - start - 4) fail(start, `it says ${count} fields in ${end - start} bytes`)
  const fields: BinaryField[] = []
  let at = start + 4
  for (let index = 0; index < count; index++) {
    if (at + 8 > end) fail(at, `field ${index} is missing`)
    const length = int32At(bytes, at + 4)
    if (length < -1 || length > end - at - 8) fail(at + 4, `field ${index} says that it is ${length} bytes long`)
    fields.push({ typeOid: uint32At(bytes, at), start: at + 8, end: at + 8 + length })
    at += 8 + Math.max(0, length)
  }
  if (at !== end) fail(at, 'bytes stand behind the last field')
  return fields
}

/** The text of a value that says itself what its fields are of. */
function otherwiseText(
  bytes: Uint8Array,
  start: number,
  fields: readonly BinaryField[],
  context: CompositeContext,
): string {
  const texts = fields.map(({ typeOid, start: from, end: to }) => {
    if (from > to) return ''
    const known = context.codecOf(typeOid)
    const codec = known?.plain ?? known
    if (codec?.readBinary === undefined || !codec.binaryExact) {
      throw new ProtocolError(
        'a binary composite could not be read',
        `its type was altered, and type ${typeOid}, which it holds, has no binary form that is known`,
        from - start,
      )
    }
    return quoteField(textOfSent('a field', codec, codec.readBinary(bytes, from, to), from - start))
  })
  return `(${texts.join(',')})`
}

const generate = canGenerateCode()

/** Makes rows out of values in the order of the attributes: as one literal, so that all have one hidden class. */
function rowMaker(attributes: readonly Attribute[]): (values: readonly unknown[]) => Row {
  if (!generate) {
    return (values) => {
      const row: Row = {}
      for (const [index, { name }] of attributes.entries()) setField(row, name, values[index])
      return row
    }
  }
  const literal = rowLiteral(attributes.map(({ name, codec }) => ({ name, read: codec.readText })))
  const names = attributes.map((_, index) => `v${index}`).join(',')
  return new Function(
    `'use strict'; return function makeRow(values) { const [${names}] = values; return ${literal} }`,
  )()
}

function jsonWriter(attributes: readonly Attribute[]): (value: unknown) => string {
  const fields = attributes.map(({ name, codec }) => ({
    name,
    key: `${jsonString(name)}:`,
    write: codec.writeJson ?? jsonValue,
  }))
  return (value) => {
    if (!isRow(value)) return jsonValue(value)
    let text = ''
    for (const { name, key, write } of fields) {
      text += `${text === '' ? '' : ','}${key}${Object.hasOwn(value, name) ? write(value[name]) : 'null'}`
    }
    return `{${text}}`
  }
}

function fieldText(row: Row, name: string, codec: Codec): string {
  const value = Object.hasOwn(row, name) ? row[name] : null
  return value === null || value === undefined ? '' : quoteField(codec.encodeText(value))
}

function encodeBinary(row: Row, attributes: readonly Attribute[]): Uint8Array {
  const writer = new Writer().int32(attributes.length)
  for (const { name, typeOid, codec } of attributes) {
    writer.uint32(typeOid)
    const value = Object.hasOwn(row, name) ? row[name] : null
    if (value === null || value === undefined) writer.int32(-1)
    else {
      const bytes = codec.encodeBinary!(value)
      writer.int32(bytes.length).bytes(bytes)
    }
  }
  return writer.finish()
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkRow(value: unknown): Row {
  if (!isRow(value)) throw new TypeError(`a composite's value is an object, not ${typeof value}`)
  return value
}
