import { decodeBackend } from '../../src/protocol/messages/backend.ts'
import { WalwireError } from '../../src/protocol/messages/errors.ts'
import {
  type CommandResult,
  readCreateSlot,
  readIdentifySystem,
  readShow,
  readTimelineHistoryFile,
} from '../../src/protocol/messages/replication-commands.ts'
import { framesOf, growFrames, mutateFrames, streamOf } from '../frames.ts'
import type { Target } from '../target.ts'

const utf8 = new TextDecoder()

/** What answers replication commands. */
export const answersTarget: Target = {
  name: 'answers',
  about:
    'the results of IDENTIFY_SYSTEM, CREATE_REPLICATION_SLOT, SHOW and TIMELINE_HISTORY, with any columns and rows',
  seeds: () => [
    answer(['systemid', 'timeline', 'xlogpos', 'dbname'], ['7310264859137482345', '1', '0/16B3748', 'shop']),
    answer(['systemid', 'timeline', 'xlogpos', 'dbname'], ['7310264859137482345', '1', 'FFFFFFFF/FFFFFFFF', null]),
    answer(['slot_name', 'consistent_point', 'snapshot_name', 'output_plugin'], ['s', '0/1', '00000003-1', 'pgoutput']),
    answer(['wal_sender_timeout'], ['1min']),
    answer(['filename', 'content'], ['00000002.history', '1\t0/1\tno reason']),
    answer(['slot_name'], []),
  ],
  words: [
    'systemid\0',
    'timeline\0',
    'xlogpos\0',
    'dbname\0',
    'slot_name\0',
    'consistent_point\0',
    '0/0',
    '4294967296',
  ],
  mutate: mutateFrames,
  grow: growFrames,
  mayAllocate: (bytes) => 200 * bytes,
  // an answer that lacks a column has no place where that is
  hasOffsets: false,
  run(input) {
    let columns: string[] = []
    const rows: (Uint8Array | null)[][] = []
    for (const { tag, body } of framesOf(input).frames) {
      const message = decodeBackend(tag, body, 0, body.length)
      if (message.type === 'RowDescription') columns = message.fields.map(({ name }) => name)
      if (message.type === 'DataRow') rows.push([...message.values])
    }
    const bytes: CommandResult<Uint8Array> = { columns, rows }
    const texts: CommandResult = { columns, rows: rows.map((row) => row.map((value) => value && utf8.decode(value))) }
    const failures = [
      () => readIdentifySystem(texts),
      () => readCreateSlot(texts),
      () => readShow(texts),
      () => readTimelineHistoryFile(bytes),
    ].flatMap(failureOf)
    if (failures.length === 4) throw failures[0]
  },
}

function failureOf(read: () => unknown): unknown[] {
  try {
    read()
    return []
  } catch (error) {
    if (!(error instanceof WalwireError)) throw error
    return [error]
  }
}

function answer(names: readonly string[], ...rows: readonly (readonly (string | null)[])[]): Uint8Array {
  const field = (name: string) => [
    ...new TextEncoder().encode(name),
    ...new Array(7).fill(0),
    0,
    0,
    0,
    25,
    255,
    255,
    255,
    255,
    255,
    255,
    0,
    0,
  ]
  const value = (text: string | null) => {
    if (text === null) return [255, 255, 255, 255]
    const bytes = new TextEncoder().encode(text)
    return [0, 0, 0, bytes.length, ...bytes]
  }
  return streamOf([
    { tag: 0x54, body: Uint8Array.from([0, names.length, ...names.flatMap(field)]) },
    ...rows
      .filter((row) => row.length > 0)
      .map((row) => ({ tag: 0x44, body: Uint8Array.from([0, row.length, ...row.flatMap(value)]) })),
  ])
}
