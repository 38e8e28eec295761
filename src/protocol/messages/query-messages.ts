import { encodeTagged } from './frame.ts'
import type { Reader } from './reader.ts'
import { frontendTag } from './tags.ts'
import {
  type Format,
  formatCode,
  readFormat,
  readFormats,
  readValues,
  type WireValue,
  writeFormats,
  writeValues,
} from './values.ts'
import type { Writer } from './writer.ts'

/*
 * What a client asks for, by the simple protocol, the extended protocol and function calls, in the documentation's order.
 * Numbers of parameters have no sign: there are up to 65,535.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** `B`: makes a portal out of a prepared statement and parameters. */
export interface Bind {
  readonly type: 'Bind'
  /** The portal to be made; empty is the unnamed one. */
  readonly portal: string
  /** The prepared statement; empty is the unnamed one. */
  readonly statement: string
  /** None: all are text. One: all are in this. Else one for each. */
  readonly parameterFormats: readonly Format[]
  readonly parameters: readonly WireValue[]
  /** None: all are text. One: all are in this. Else one for each column of the result. */
  readonly resultFormats: readonly Format[]
}

/**
 * `String portal, String statement, Int16 number and Int16 format each, Int16 number and each Int32 length (-1 is NULL)
 * and bytes, Int16 number and Int16 format each`
 */
export function decodeBind(reader: Reader): Bind {
  const message: Bind = {
    type: 'Bind',
    portal: reader.cstring('portal'),
    statement: reader.cstring('statement'),
    parameterFormats: readFormats(reader, 'parameter formats'),
    parameters: readValues(reader, 'parameter'),
    resultFormats: readFormats(reader, 'result formats'),
  }
  reader.finish()
  return message
}

export function encodeBind(message: Bind): Uint8Array {
  return encodeTagged(frontendTag.Bind, (writer) => {
    writer.cstring(message.portal, 'the portal').cstring(message.statement, 'the statement')
    writeFormats(writer, message.parameterFormats, 'parameter formats')
    writeValues(writer, message.parameters, 'parameter')
    writeFormats(writer, message.resultFormats, 'result formats')
  })
}

/** A prepared statement, or a portal, which is one with parameters that is being run. */
export type Prepared = 'statement' | 'portal'

/** `C`: forgets a prepared statement or a portal. */
export interface Close {
  readonly type: 'Close'
  readonly of: Prepared
  readonly name: string
}

/** `Byte1 'S' or 'P', String name` */
export function decodeClose(reader: Reader): Close {
  return { type: 'Close', ...readPrepared(reader) }
}

export function encodeClose(message: Close): Uint8Array {
  return encodeTagged(frontendTag.Close, (writer) => writePrepared(writer, message))
}

/** `D`: asks what a prepared statement or a portal takes and gives. */
export interface Describe {
  readonly type: 'Describe'
  readonly of: Prepared
  readonly name: string
}

/** `Byte1 'S' or 'P', String name` */
export function decodeDescribe(reader: Reader): Describe {
  return { type: 'Describe', ...readPrepared(reader) }
}

export function encodeDescribe(message: Describe): Uint8Array {
  return encodeTagged(frontendTag.Describe, (writer) => writePrepared(writer, message))
}

/** `E`: runs a portal. */
export interface Execute {
  readonly type: 'Execute'
  readonly portal: string
  /** 0 is no limit; after so many rows the portal is suspended. */
  readonly maximumRows: number
}

/** `String portal, Int32 maximum number of rows` */
export function decodeExecute(reader: Reader): Execute {
  const message: Execute = {
    type: 'Execute',
    portal: reader.cstring('portal'),
    maximumRows: reader.int32('maximum number of rows'),
  }
  reader.finish()
  return message
}

export function encodeExecute({ portal, maximumRows }: Execute): Uint8Array {
  return encodeTagged(frontendTag.Execute, (writer) => writer.cstring(portal, 'the portal').int32(maximumRows))
}

/** `H`: the server shall send what it has ready. */
export interface Flush {
  readonly type: 'Flush'
}

/** Nothing. */
export function decodeFlush(reader: Reader): Flush {
  reader.finish()
  return { type: 'Flush' }
}

export function encodeFlush(_message: Flush): Uint8Array {
  return encodeTagged(frontendTag.Flush)
}

/** `F`: calls a function, as only old libraries do. */
export interface FunctionCall {
  readonly type: 'FunctionCall'
  readonly functionOid: number
  /** None: all are text. One: all are in this. Else one for each. */
  readonly argumentFormats: readonly Format[]
  readonly arguments: readonly WireValue[]
  readonly resultFormat: Format
}

/**
 * `Int32 function, Int16 number and Int16 format each, Int16 number and each Int32 length (-1 is NULL) and bytes,
 * Int16 format`
 */
export function decodeFunctionCall(reader: Reader): FunctionCall {
  const message: FunctionCall = {
    type: 'FunctionCall',
    functionOid: reader.uint32('function OID'),
    argumentFormats: readFormats(reader, 'argument formats'),
    arguments: readValues(reader, 'argument'),
    resultFormat: readFormat(reader.int16('result format'), reader),
  }
  reader.finish()
  return message
}

export function encodeFunctionCall(message: FunctionCall): Uint8Array {
  return encodeTagged(frontendTag.FunctionCall, (writer) => {
    writer.uint32(message.functionOid)
    writeFormats(writer, message.argumentFormats, 'argument formats')
    writeValues(writer, message.arguments, 'argument')
    writer.int16(formatCode(message.resultFormat))
  })
}

/** `P`: makes a prepared statement. */
export interface Parse {
  readonly type: 'Parse'
  /** The prepared statement to be made; empty is the unnamed one. */
  readonly statement: string
  readonly query: string
  /** OIDs of as many parameters as the client cares to say; 0 leaves one to the server. */
  readonly parameterTypeOids: readonly number[]
}

/** `String statement, String query, Int16 number of types, Int32 type each` */
export function decodeParse(reader: Reader): Parse {
  const statement = reader.cstring('statement')
  const query = reader.cstring('query')
  const count = reader.count(reader.uint16('number of parameter types'), 4, 'number of parameter types')
  const parameterTypeOids: number[] = []
  for (let index = 0; index < count; index++) parameterTypeOids.push(reader.uint32('parameter type'))
  reader.finish()
  return { type: 'Parse', statement, query, parameterTypeOids }
}

export function encodeParse({ statement, query, parameterTypeOids }: Parse): Uint8Array {
  return encodeTagged(frontendTag.Parse, (writer) => {
    writer.cstring(statement, 'the statement').cstring(query, 'the query')
    writer.count(parameterTypeOids.length, 'the number of parameter types', 0xffff)
    for (const oid of parameterTypeOids) writer.uint32(oid)
  })
}

/** `Q`: one or several statements, by the simple protocol. */
export interface Query {
  readonly type: 'Query'
  readonly query: string
}

/** `String query` */
export function decodeQuery(reader: Reader): Query {
  const query = reader.cstring('query')
  reader.finish()
  return { type: 'Query', query }
}

export function encodeQuery({ query }: Query): Uint8Array {
  return encodeTagged(frontendTag.Query, (writer) => writer.cstring(query, 'the query'))
}

/** `S`: ends a series of extended messages: the server commits what needs it, and answers ReadyForQuery. */
export interface Sync {
  readonly type: 'Sync'
}

/** Nothing. */
export function decodeSync(reader: Reader): Sync {
  reader.finish()
  return { type: 'Sync' }
}

export function encodeSync(_message: Sync): Uint8Array {
  return encodeTagged(frontendTag.Sync)
}

/** `X`: the client goes. */
export interface Terminate {
  readonly type: 'Terminate'
}

/** Nothing. */
export function decodeTerminate(reader: Reader): Terminate {
  reader.finish()
  return { type: 'Terminate' }
}

export function encodeTerminate(_message: Terminate): Uint8Array {
  return encodeTagged(frontendTag.Terminate)
}

function readPrepared(reader: Reader): { of: Prepared; name: string } {
  const letter = String.fromCharCode(reader.uint8('kind'))
  if (letter !== 'S' && letter !== 'P') {
    return reader.fail(`the kind is ${JSON.stringify(letter)}, and S (statement) and P (portal) are known`)
  }
  const name = reader.cstring('name')
  reader.finish()
  return { of: letter === 'S' ? 'statement' : 'portal', name }
}

function writePrepared(writer: Writer, message: { readonly of: Prepared; readonly name: string }): void {
  writer.tag(message.of === 'statement' ? 'S' : 'P').cstring(message.name, 'the name')
}
