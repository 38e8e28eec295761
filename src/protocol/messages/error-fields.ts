import type { Reader } from './reader.ts'
import { refuse, type Writer } from './writer.ts'

/**
 * What the server says in an ErrorResponse or a NoticeResponse, named as in the documentation.
 * Only severity, code and message are always there.
 *
 * @see https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
export interface ErrorFields {
  /** `S`, in the server's language. */
  readonly severity: string
  /** `V`: ERROR, FATAL, PANIC, WARNING, NOTICE, DEBUG, INFO or LOG, never translated. Since 9.6. */
  readonly severityNonlocalized: string | undefined
  /** `C`: the SQLSTATE. */
  readonly code: string
  /** `M` */
  readonly message: string
  /** `D` */
  readonly detail: string | undefined
  /** `H` */
  readonly hint: string | undefined
  /** `P`: characters from the start of the query, counted from 1. */
  readonly position: string | undefined
  /** `p`: the same inside {@link internalQuery}. */
  readonly internalPosition: string | undefined
  /** `q` */
  readonly internalQuery: string | undefined
  /** `W`: the call stack, one entry a line. */
  readonly where: string | undefined
  /** `s` */
  readonly schema: string | undefined
  /** `t` */
  readonly table: string | undefined
  /** `c` */
  readonly column: string | undefined
  /** `d` */
  readonly dataType: string | undefined
  /** `n` */
  readonly constraint: string | undefined
  /** `F`: the server's source file. */
  readonly file: string | undefined
  /** `L` */
  readonly line: string | undefined
  /** `R`: the server's function. */
  readonly routine: string | undefined
  /** Fields of other types, in the order in which they came. */
  readonly others?: readonly ErrorField[] | undefined
}

/** A field whose type has no name here. */
export interface ErrorField {
  /** One byte, as a character. */
  readonly fieldType: string
  readonly value: string
}

/** By the letter on the wire, in the order in which a server sends them (PG18: elog.c send_message_to_frontend). */
const names = {
  S: 'severity',
  V: 'severityNonlocalized',
  C: 'code',
  M: 'message',
  D: 'detail',
  H: 'hint',
  W: 'where',
  s: 'schema',
  t: 'table',
  c: 'column',
  d: 'dataType',
  n: 'constraint',
  P: 'position',
  p: 'internalPosition',
  q: 'internalQuery',
  F: 'file',
  L: 'line',
  R: 'routine',
} as const satisfies Record<string, keyof ErrorFields>

/**
 * `Byte1 field type, String value` until a zero byte. Types that are not known are kept, since the documentation asks for
 * not minding them, and they may say something to who reads on.
 *
 * The text is read without insisting on UTF-8: an error from before the encoding was agreed on comes in the server's
 * own, and a message with some bytes as `\\xHH` says more than a complaint about them.
 */
export function readErrorFields(reader: Reader): ErrorFields {
  const fields = new Map<string, string>()
  const others: ErrorField[] = []
  for (;;) {
    const type = reader.uint8('field type')
    if (type === 0) break
    const fieldType = String.fromCharCode(type)
    const value = reader.escapedCstring('field value')
    if (Object.hasOwn(names, fieldType)) fields.set(fieldType, value)
    else others.push({ fieldType, value })
  }
  reader.finish()
  return {
    severity: fields.get('S') ?? fields.get('V') ?? '',
    severityNonlocalized: fields.get('V'),
    code: fields.get('C') ?? '',
    message: fields.get('M') ?? '',
    detail: fields.get('D'),
    hint: fields.get('H'),
    position: fields.get('P'),
    internalPosition: fields.get('p'),
    internalQuery: fields.get('q'),
    where: fields.get('W'),
    schema: fields.get('s'),
    table: fields.get('t'),
    column: fields.get('c'),
    dataType: fields.get('d'),
    constraint: fields.get('n'),
    file: fields.get('F'),
    line: fields.get('L'),
    routine: fields.get('R'),
    ...(others.length === 0 ? undefined : { others }),
  }
}

/** In the order in which a server sends them, those that are not known last. */
export function writeErrorFields(writer: Writer, fields: ErrorFields): void {
  for (const [fieldType, name] of Object.entries(names)) {
    const value = fields[name]
    if (value !== undefined) writer.tag(fieldType).cstring(value, `the ${name}`)
  }
  for (const { fieldType, value } of fields.others ?? []) {
    const code = fieldType.charCodeAt(0)
    if (fieldType.length !== 1 || code === 0 || code > 0xff || Object.hasOwn(names, fieldType)) {
      refuse(`${JSON.stringify(fieldType)} cannot be the type of another field, which is one byte`)
    }
    writer.uint8(code).cstring(value, 'the value of a field')
  }
  writer.uint8(0)
}
