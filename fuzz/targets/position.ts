import { isDeepStrictEqual } from 'node:util'
import { parseCheckpoint } from '../../src/delivery/file/checkpoint.ts'
import { WalwireError } from '../../src/protocol/messages/errors.ts'
import { formatLsn, parseLsn } from '../../src/protocol/messages/lsn.ts'
import { parseTimelineHistory } from '../../src/replication/catalog/timeline-history.ts'
import { comparePositions, flushLsn, parsePosition } from '../../src/replication/position.ts'
import { demand, type Target } from '../target.ts'

/** What is read back from storage: positions, checkpoint files, and a timeline's history. */
export const positionTarget: Target = {
  name: 'position',
  about: 'stored positions, checkpoint files, LSNs, timeline histories: read as they were written, or refused',
  seeds: () =>
    [stream, snapshot, format1, checkpoint, beginning, history, 'FFFFFFFF/FFFFFFFF', '0/0', '016/0B374D84'].map(utf8),
  words: [
    '"lsn"',
    '"phase"',
    '"tx"',
    '"tables"',
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    'null',
    '0/0',
    '1e999',
    '-1',
    '"__proto__":',
    '\t',
  ],
  run(input) {
    const text = new TextDecoder().decode(input)
    const refused = [readJson(text), readCheckpoint(text), readLsn(text), readHistory(text)].find(
      (error) => error !== undefined,
    )
    if (refused !== undefined) throw refused
  },
  hasOffsets: false,
}

function readJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  try {
    const position = parsePosition(value)
    demand(comparePositions(position, position) === 0, 'a position is not where it is')
    flushLsn(position)
    demand(
      isDeepStrictEqual(parsePosition(JSON.parse(JSON.stringify(position))), position),
      'a position changes when it is stored',
    )
    return undefined
  } catch (error) {
    return walwireError(error)
  }
}

function readCheckpoint(text: string): unknown {
  try {
    const read = parseCheckpoint(text, 'feed.json')
    demand(
      isDeepStrictEqual(parseCheckpoint(JSON.stringify(read), 'feed.json'), read),
      'a checkpoint changes when it is stored',
    )
  } catch (error) {
    if (!(error instanceof WalwireError)) throw error
    demand(error.code === 'checkpoint_malformed', `a checkpoint is refused with ${error.code}`)
  }
  return undefined
}

function readLsn(text: string): unknown {
  try {
    const lsn = parseLsn(text)
    demand(parseLsn(formatLsn(lsn)) === lsn, `${formatLsn(lsn)} is not read as it was written`)
  } catch (error) {
    // the documented refusal: who reads LSNs from elsewhere says where they were from
    if (!(error instanceof RangeError && error.message.startsWith('an LSN is'))) throw error
  }
  return undefined
}

function readHistory(text: string): unknown {
  try {
    for (const { end } of parseTimelineHistory(text)) demand(end >= 0n, 'a timeline ends before it begins')
    return undefined
  } catch (error) {
    return walwireError(error)
  }
}

function walwireError(error: unknown): unknown {
  if (error instanceof WalwireError) return error
  throw error
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

const base = `"version":2,"systemId":"7310264859137482345","timeline":1,"database":"shop","slot":"feed","options":{"publications":["shop"]}`
const stream = `{${base},"consistentPoint":"0/1A2B3C8","phase":"stream","lsn":"0/1B00F10","tx":{"commitLsn":"0/1B00F20","seq":3},"members":"gggBimgBMC","copied":12}`
const snapshot = `{${base},"phase":"snapshot","lsn":"0/1B00F10","tables":{"done":"public.a:gggBimgB@0/1,.b:MC,\\"c,d\\".e:MC","copying":[{"oid":16384,"schema":"public","name":"t","at":"0/1","rows":5}]}}`
const format1 = snapshot
  .replace('"version":2', '"version":1')
  .replace(/"tables":.*/, '"tables":[{"oid":16384,"table":"public.t","at":"0/1","rows":5,"state":"done"}]}')
const checkpoint = `{"version":1,"start":null,"position":${stream},"output":{"path":"/out","length":100}}`
const beginning = `{"version":1,"start":"slot","position":null,"output":null}`
const history = `1\t0/16B3748\tno recovery target specified\n# a comment\n\n 2\t16/B374D848\tbefore 2000-01-01 00:00:00+00`
