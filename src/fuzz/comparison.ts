import type { PgType } from '../decoder/types/registry.ts'
import type { Cell } from './batch.ts'
import { sameValue } from './same-value.ts'
import { Unreadable } from './watched-types.ts'

/** A way that a value takes to its reader. */
export type Way = 'pgoutput text' | 'pgoutput binary' | 'COPY text' | 'COPY binary'

/** What one column gave: the server's own texts, and what walwire read, by way. COPY text is always there. */
export interface SeenColumn {
  readonly texts: readonly unknown[]
  readonly ways: ReadonlyMap<Way, readonly unknown[]>
}

/** Something about one value that is not as it must be. */
export interface Problem {
  readonly row: number
  /** Where it shows: a way, or a direction. */
  readonly where: Way | 'encodeText' | 'encodeBinary'
  /** What came of the value there. */
  readonly gave: string
}

/** Compares a column's values over all ways with those of COPY text; NULL is NULL everywhere. */
export function compareWays({ texts, ways }: SeenColumn, show: (value: unknown) => string): Problem[] {
  const problems: Problem[] = []
  const reference = ways.get('COPY text') ?? []
  for (const [way, values] of ways) {
    for (const [row, text] of texts.entries()) {
      const value = values[row]
      const isRight =
        text === null
          ? value === null
          : !(value instanceof Unreadable) &&
            value != null &&
            (values === reference || sameValue(value, reference[row]))
      if (!isRight) problems.push({ row, where: way, gave: show(value) })
    }
  }
  return problems
}

/** A column's values, written again. */
export interface Encoded {
  readonly texts: readonly Cell[]
  /** Undefined for a type whose binary form is not written. */
  readonly binaries: readonly Cell[] | undefined
  readonly problems: readonly Problem[]
}

/**
 * Writes a column's values as text and in binary form. The text must be the server's own, since that is the one text which
 * the server writes for the value. What could not be read is left out, as NULL.
 */
export function encodeColumn(
  { encodeText, encodeBinary, binaryExact }: PgType,
  { texts, ways }: SeenColumn,
  show: (value: unknown) => string,
): Encoded {
  const problems: Problem[] = []
  const values = ways.get('COPY text') ?? []
  const encode = <Form extends Cell>(where: Problem['where'], write: (value: unknown) => Form): Cell[] =>
    values.map((value, row) => {
      if (value == null || value instanceof Unreadable) return null
      try {
        return write(value)
      } catch (error) {
        problems.push({ row, where, gave: show(new Unreadable(error)) })
        return null
      }
    })
  const written = encode('encodeText', encodeText)
  for (const [row, text] of written.entries()) {
    if (text !== null && text !== texts[row]) problems.push({ row, where: 'encodeText', gave: show(text) })
  }
  const binaries = binaryExact && encodeBinary ? encode('encodeBinary', encodeBinary) : undefined
  return { texts: written, binaries, problems }
}
