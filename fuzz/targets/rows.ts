import { inspect, isDeepStrictEqual } from 'node:util'
import { copyBinaryLayout, isCopyTrailer, skipCopyHeader } from '../../src/decoder/copy-binary.ts'
import { copyTextLayout } from '../../src/decoder/copy-text.ts'
import { Cursor, type Field, type RowLayout, type RowReader } from '../../src/decoder/row-reader.ts'
import { tupleLayout } from '../../src/decoder/tuple.ts'
import { TypeRegistry } from '../../src/decoder/types/registry.ts'
import { WalwireError } from '../../src/protocol/messages/errors.ts'
import { mutateBytes } from '../mutate.ts'
import { demand, type Target } from '../target.ts'

/*
 * An input is a byte that chooses a table, and the bytes of one row. A row has two readers, one compiled for its table
 * and one that interprets: they have to agree on every row, good or bad, and on whatever stands around it.
 */

const encoder = new TextEncoder()

/** Rows of COPY in text format. */
export const copyTextTarget: Target = {
  name: 'copy-text',
  about:
    'rows of COPY in text format: the compiled reader does as the interpreted one, and neither looks beyond the row',
  seeds: () =>
    [
      '\n',
      '1\n',
      '7\ta\\tb\\\\\t{1,NULL}\tt\n',
      '\\N\t\\N\t\\N\t\\N\n',
      '-5\t\\x\t{"a\\\\"b"}\tf\n',
      'a\\.\\b\\f\\r\\v\\n\\q\\007\n',
    ].flatMap((line) => tables.map((_, table) => Uint8Array.of(table, ...encoder.encode(line)))),
  words: ['\\N', '\\\\', '\t', '\n', '\\t', '\\n', '\\.', '\\x', '{', '}', '\\'],
  mayAllocate: (bytes) => 400 * bytes,
  run: (input) => compare(copyTextLayout, input, 0x0a),
}

/** Rows of COPY in binary format. */
export const copyBinaryTarget: Target = {
  name: 'copy-binary',
  about: 'rows of COPY in binary format, its header and its end: both readers agree',
  seeds: () => [
    ...[0, 1, 2, 3, 4].map((count) =>
      Uint8Array.of(count, 0, count, ...Array.from({ length: count }, () => [255, 255, 255, 255]).flat()),
    ),
    Uint8Array.of(1, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7),
    Uint8Array.of(2, 0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 1, 0x61),
    Uint8Array.of(5, 0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    Uint8Array.of(5, 0xff, 0xff),
  ],
  mayAllocate: mayHoldNumerics,
  run(input) {
    const body = input.subarray(1)
    if ((input[0] ?? 0) % 6 !== 5) return compare(copyBinaryLayout, input, 0xff)
    if (isCopyTrailer(body, 0, body.length)) return
    const after = skipCopyHeader(body, 0, body.length)
    demand(after >= 19 && after <= body.length, `a header ends at ${after}`)
  },
}

/** Tuples of pgoutput. */
export const tupleTarget: Target = {
  name: 'tuple',
  about: 'tuples of pgoutput, text and binary and unchanged mixed: both readers agree',
  seeds: () => [
    ...[0, 1, 2, 3, 4].map((count) => Uint8Array.of(count, 0, count, ...Array.from({ length: count }, () => 0x6e))),
    ...[0, 1, 2, 3, 4].map((count) => Uint8Array.of(count, 0, count, ...Array.from({ length: count }, () => 0x75))),
    Uint8Array.of(1, 0, 1, 0x74, 0, 0, 0, 1, 0x37),
    Uint8Array.of(1, 0, 1, 0x62, 0, 0, 0, 4, 0, 0, 0, 7),
    Uint8Array.of(4, 0, 4, 0x74, 0, 0, 0, 1, 0x37, 0x75, 0x62, 0, 0, 0, 4, 0, 0, 0, 7, 0x6e),
  ],
  words: [Uint8Array.of(0x74, 0, 0, 0, 1, 0x37), Uint8Array.of(0x62, 0, 0, 0, 4, 0, 0, 0, 7), 'u', 'n', 'b', 't'],
  mayAllocate: mayHoldNumerics,
  mutate: (input, random, other) => mutateBytes(input, { random, other, words: [], longest: 1 << 12 }),
  run: (input) => compare(tupleLayout, input, 0x75),
}

/** A numeric of ten bytes may be a number of 131,072 digits, and every row is read four times. */
function mayHoldNumerics(bytes: number): number {
  return 400 * bytes + Math.ceil(bytes / 14) * (1 << 22)
}

/** The columns of a few tables, from none to many, with a column that is skipped and names that objects treat specially. */
const tables: readonly (readonly (readonly [name: string, type: number, skipped?: 'skipped'])[])[] = [
  [],
  [['a', 23]],
  [
    ['id', 20],
    ['body', 25],
  ],
  [
    ['n', 1700],
    ['f', 701],
    ['__proto__', 1009],
  ],
  [
    ['b', 17],
    ['constructor', 25],
    ['list', 1007],
    ['ok', 16],
  ],
  Array.from(
    { length: 12 },
    (_, index) => [`c${index}`, [16, 17, 20, 25, 701, 1184, 1186, 3802, 2950, 600, 1009, 1114][index] ?? 25] as const,
  ),
]

const types = new TypeRegistry()

interface Readers {
  readonly compiled: RowReader
  readonly interpreted: RowReader
  readonly cursor: Cursor
  readonly compiledCursor: Cursor
}

const readers = new Map<RowLayout, readonly Readers[]>()

function readersOf(layout: RowLayout): readonly Readers[] {
  const known = readers.get(layout)
  if (known !== undefined) return known
  const made = tables.map((columns) => {
    const fields = columns.map(([name, oid]): Field => {
      const type = types.get(oid)
      demand(type !== undefined, `type ${oid} is not known`)
      return { name, read: type.readText, readBinary: type.readBinary }
    })
    const cursor = new Cursor()
    const compiledCursor = new Cursor()
    const slow = layout.interpret(fields, compiledCursor)
    return {
      cursor,
      compiledCursor,
      interpreted: layout.interpret(fields, cursor),
      compiled: layout.compile(fields, compiledCursor, slow),
    }
  })
  readers.set(layout, made)
  return made
}

interface Outcome {
  readonly row: readonly (readonly [string, unknown])[] | undefined
  readonly end: number
  readonly unchanged: readonly number[] | undefined
  readonly failure: WalwireError | undefined
}

/** @param around what may stand next to the row, and would go on with it */
function compare(layout: RowLayout, input: Uint8Array, around: number): void {
  const all = readersOf(layout)
  const chosen = all[(input[0] ?? 0) % all.length]
  demand(chosen !== undefined, 'there is no table')
  const row = input.subarray(1)
  const { compiled, interpreted, cursor, compiledCursor } = chosen
  const expected = outcome(interpreted, cursor, row, 0x00)
  for (const byte of [0x00, around]) {
    const same = (other: Outcome) =>
      isDeepStrictEqual(other.row, expected.row) &&
      other.end === expected.end &&
      isDeepStrictEqual(other.unchanged, expected.unchanged) &&
      other.failure?.message === expected.failure?.message &&
      other.failure?.offset === expected.failure?.offset
    const slow = outcome(interpreted, cursor, row, byte)
    demand(same(slow), () => `the bytes around a row change it: ${show(expected)} and ${show(slow)}`)
    const fast = outcome(compiled, compiledCursor, row, byte)
    demand(same(fast), () => `the interpreted reader gives ${show(expected)}, the compiled one ${show(fast)}`)
  }
  if (expected.failure !== undefined) throw expected.failure
  demand(expected.end <= row.length, `a row ends ${expected.end - row.length} bytes behind its last`)
}

function outcome(read: RowReader, cursor: Cursor, row: Uint8Array, around: number): Outcome {
  const bytes = new Uint8Array(row.length + 24).fill(around)
  bytes.set(row, 8)
  cursor.body = 8
  cursor.end = 8
  cursor.unchanged = undefined
  try {
    const entries = Object.entries(read(bytes, 8, 8 + row.length))
    return { row: entries, end: cursor.end - 8, unchanged: cursor.unchanged, failure: undefined }
  } catch (error) {
    if (!(error instanceof WalwireError)) throw error
    return { row: undefined, end: 0, unchanged: undefined, failure: error }
  } finally {
    bytes.fill(0x2a)
  }
}

function show({ row, end, failure }: Outcome): string {
  return failure === undefined
    ? `${inspect(row, { breakLength: 1000 }).slice(0, 200)} to ${end}`
    : failure.message.slice(0, 200)
}
