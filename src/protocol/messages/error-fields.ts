import type { Reader } from './reader.ts'

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
}

/**
 * `Byte1 field type, String value` until a zero byte. Unknown types are skipped, as the documentation asks for.
 *
 * The text is read without insisting on UTF-8: an error from before the encoding was agreed on comes in the server's
 * own, and half a message says more than a complaint about its bytes.
 */
export function readErrorFields(reader: Reader): ErrorFields {
  const fields = new Map<string, string>()
  for (;;) {
    const type = reader.uint8('field type')
    if (type === 0) break
    fields.set(String.fromCharCode(type), reader.lossyCstring('field value'))
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
  }
}
