import { encodeTagged } from './frame.ts'
import type { Reader } from './reader.ts'
import { backendTag } from './tags.ts'
import { type Format, formatCode, readFormat, readValue, type WireValue, writeValue } from './values.ts'

/*
 * What a server answers to queries, by either protocol, and to function calls, in the documentation's order.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** `2`, `3`, `I`, `n`, `1`, `s`: answers that have nothing in them. */
export interface EmptyResponse {
  readonly type:
    | 'BindComplete'
    | 'CloseComplete'
    /** Instead of CommandComplete when the query was empty. */
    | 'EmptyQueryResponse'
    /** Instead of RowDescription when there will be no rows. */
    | 'NoData'
    | 'ParseComplete'
    /** Instead of CommandComplete when Execute's maximum number of rows was reached. */
    | 'PortalSuspended'
}

/** Nothing. */
export function decodeEmptyResponse(type: EmptyResponse['type'], reader: Reader): EmptyResponse {
  reader.finish()
  return { type }
}

export function encodeEmptyResponse({ type }: EmptyResponse): Uint8Array {
  return encodeTagged(backendTag[type])
}

/** `C`: a command ended; the tag is its name and mostly a number of rows. */
export interface CommandComplete {
  readonly type: 'CommandComplete'
  readonly command: string
}

/** `String command` */
export function decodeCommandComplete(reader: Reader): CommandComplete {
  const command = reader.cstring('command')
  reader.finish()
  return { type: 'CommandComplete', command }
}

export function encodeCommandComplete({ command }: CommandComplete): Uint8Array {
  return encodeTagged(backendTag.CommandComplete, (writer) => writer.cstring(command, 'the command'))
}

/** `D`: a row; what a value's bytes mean stands in the RowDescription before it. */
export interface DataRow {
  readonly type: 'DataRow'
  readonly values: readonly WireValue[]
}

/** `Int16 columns, each: Int32 length (-1 is NULL), bytes` */
export function decodeDataRow(reader: Reader): DataRow {
  const values: WireValue[] = []
  const columns = reader.count(reader.int16('number of columns'), 4, 'number of columns')
  for (let column = 0; column < columns; column++) values.push(readValue(reader, 'value'))
  reader.finish()
  return { type: 'DataRow', values }
}

export function encodeDataRow({ values }: DataRow): Uint8Array {
  return encodeTagged(backendTag.DataRow, (writer) => {
    writer.count(values.length, 'the number of columns')
    for (const value of values) writeValue(writer, value)
  })
}

/** `V`: what a FunctionCall gave. */
export interface FunctionCallResponse {
  readonly type: 'FunctionCallResponse'
  readonly value: WireValue
}

/** `Int32 length (-1 is NULL), bytes` */
export function decodeFunctionCallResponse(reader: Reader): FunctionCallResponse {
  const value = readValue(reader, 'value')
  reader.finish()
  return { type: 'FunctionCallResponse', value }
}

export function encodeFunctionCallResponse({ value }: FunctionCallResponse): Uint8Array {
  return encodeTagged(backendTag.FunctionCallResponse, (writer) => writeValue(writer, value))
}

/** `t`: the parameters of a prepared statement. */
export interface ParameterDescription {
  readonly type: 'ParameterDescription'
  readonly parameterTypeOids: readonly number[]
}

/** `Int16 number of parameters (without a sign), Int32 type each` */
export function decodeParameterDescription(reader: Reader): ParameterDescription {
  const parameterTypeOids: number[] = []
  const count = reader.count(reader.uint16('number of parameters'), 4, 'number of parameters')
  for (let index = 0; index < count; index++) parameterTypeOids.push(reader.uint32('parameter type'))
  reader.finish()
  return { type: 'ParameterDescription', parameterTypeOids }
}

export function encodeParameterDescription({ parameterTypeOids }: ParameterDescription): Uint8Array {
  return encodeTagged(backendTag.ParameterDescription, (writer) => {
    writer.count(parameterTypeOids.length, 'the number of parameters', 0xffff)
    for (const oid of parameterTypeOids) writer.uint32(oid)
  })
}

/** One column of a {@link RowDescription}. */
export interface FieldDescription {
  readonly name: string
  /** 0 when the column is not one of a table's. */
  readonly tableOid: number
  /** The column's attribute number in the table, or 0. */
  readonly columnNumber: number
  readonly typeOid: number
  /** Negative for a type of variable width. */
  readonly typeSize: number
  readonly typeModifier: number
  readonly format: Format
}

/** `T` */
export interface RowDescription {
  readonly type: 'RowDescription'
  readonly fields: readonly FieldDescription[]
}

/** `Int16 fields, each: String name, Int32 table, Int16 column, Int32 type, Int16 size, Int32 modifier, Int16 format` */
export function decodeRowDescription(reader: Reader): RowDescription {
  const fields: FieldDescription[] = []
  const count = reader.count(reader.int16('number of fields'), 19, 'number of fields')
  for (let index = 0; index < count; index++) {
    fields.push({
      name: reader.cstring('field name'),
      tableOid: reader.uint32('table OID'),
      columnNumber: reader.int16('column number'),
      typeOid: reader.uint32('type OID'),
      typeSize: reader.int16('type size'),
      typeModifier: reader.int32('type modifier'),
      format: readFormat(reader.int16('format'), reader),
    })
  }
  reader.finish()
  return { type: 'RowDescription', fields }
}

export function encodeRowDescription({ fields }: RowDescription): Uint8Array {
  return encodeTagged(backendTag.RowDescription, (writer) => {
    writer.count(fields.length, 'the number of fields')
    for (const field of fields) {
      writer
        .cstring(field.name, 'the name of a field')
        .uint32(field.tableOid)
        .int16(field.columnNumber)
        .uint32(field.typeOid)
        .int16(field.typeSize)
        .int32(field.typeModifier)
        .int16(formatCode(field.format))
    }
  })
}
