import { decodeRelation } from '../../src/decoder/messages.ts'
import { PgoutputDecoder } from '../../src/decoder/pgoutput.ts'
import type { TypeRegistry } from '../../src/decoder/types/registry.ts'
import { decodeBackend } from '../../src/protocol/messages/backend.ts'
import { formatLsn } from '../../src/protocol/messages/lsn.ts'
import { Reader } from '../../src/protocol/messages/reader.ts'
import { decodeReplication } from '../../src/protocol/messages/replication-messages.ts'
import { backendTag } from '../../src/protocol/messages/tags.ts'
import { toJsonLine } from '../../src/replication/json-line.ts'
import { comparePositions, type Position, parsePosition } from '../../src/replication/position.ts'
import { AnnouncedRelations } from '../../src/replication/stream/announced-relations.ts'
import { Assembler } from '../../src/replication/stream/assembler.ts'
import { chunkings, readChunks } from '../chunks.ts'
import { readCorpusFile } from '../corpus.ts'
import { type Frame, framesOf, growFrames, mutateFrames, streamOf } from '../frames.ts'
import { recordedVersions, registryOf } from '../known-types.ts'
import { replaced } from '../mutate.ts'
import { demand, type Target } from '../target.ts'

/*
 * An input is a byte that chooses the server whose types are known, and what a walsender of it might send after
 * START_REPLICATION.
 */

/** Streams of real servers, and what becomes of them when they are not what they were. */
export const streamTarget: Target = {
  name: 'stream',
  about:
    'recorded streams of every version, changed: framer, XLogData, pgoutput, values, batches, positions, JSON lines',
  seeds: () =>
    recordedVersions.flatMap((version, index) =>
      ['stream', 'binary.stream'].flatMap((kind) =>
        pieces(`streams/pg${version}.${kind}`).map((piece) => Uint8Array.of(index, ...piece)),
      ),
    ),
  mutate: (input, random, other) =>
    replaced(input, 1, input.length, mutateFrames(input.subarray(1), random, other.subarray(1))),
  grow: (input, random) => {
    const grow = growFrames(input.subarray(1), random)
    return (times) => replaced(input, 1, input.length, grow(times))
  },
  // a chunk for each byte, events, their lines
  mayAllocate: (bytes) => 2000 * bytes + (4 << 20),
  batchInputs: 8,
  longestInput: 16_384,
  run(input) {
    const version = recordedVersions[(input[0] ?? 0) % recordedVersions.length] ?? 17
    const stream = input.subarray(1)
    let first: string[] | undefined
    let failure: unknown
    for (const chunks of chunkings(stream, 24)) {
      const lines: string[] = []
      let failed: unknown
      try {
        receive(chunks, typesOf(version), lines)
      } catch (error) {
        failed = error
      }
      if (first === undefined) {
        first = lines
        failure = failed
      } else {
        demand(String(failed) === String(failure), `cut otherwise, it ends with ${failed} and not with ${failure}`)
        demand(lines.join('\n') === first.join('\n'), 'cut otherwise, the same stream gives other events')
      }
    }
    if (failure !== undefined) throw failure
  },
}

/** Feeds a stream as Stream does, which is made for sockets. */
function receive(chunks: readonly Uint8Array[], types: TypeRegistry, lines: string[]): void {
  const decoder = new PgoutputDecoder({ protoVersion: 1, types })
  const assembler = new Assembler(base, { maxBatchRows: 40, maxBatchBytes: 4096 }, undefined, new AnnouncedRelations())
  let last = base
  const take = () => {
    const batch = assembler.take()
    if (batch === undefined) return
    for (const event of batch.events) lines.push(toJsonLine(event))
    lines.push(JSON.stringify(batch.position))
    parsePosition(JSON.parse(JSON.stringify(batch.position)))
    demand(
      comparePositions(last, batch.position) <= 0,
      `a position goes back from ${last.lsn} to ${batch.position.lsn}`,
    )
    last = batch.position
  }
  readChunks(chunks, (tag, bytes, start, end) => {
    if (tag !== backendTag.CopyData) {
      decodeBackend(tag, bytes, start, end)
      return
    }
    const message = decodeReplication(bytes, start, end)
    if (message.type === 'PrimaryKeepalive') assembler.keepalive(message.walEnd)
    if (message.type !== 'XLogData') return
    const { data, dataStart } = message
    assembler.at(Number(dataStart >> 32n), Number(dataStart & 0xffff_ffffn), end - start)
    if (data[0] === relationTag) decoder.define(decodeRelation(new Reader(data, 1, data.length, 'Relation')))
    else decoder.read(data, 0, data.length, assembler)
    if (assembler.full) take()
  })
  take()
}

const relationTag = 0x52

const base: Position = {
  version: 2,
  systemId: '7412345678901234567',
  timeline: 1,
  database: 'shop',
  slot: 'shop_feed',
  options: { publications: ['shop'] },
  phase: 'stream',
  lsn: formatLsn(0n),
}

const registries = new Map<number, { readonly types: TypeRegistry; uses: number }>()

/** A registry remembers every OID that it was asked for, and mutations ask for any. */
const usesOfRegistry = 1000

function typesOf(version: number): TypeRegistry {
  let kept = registries.get(version)
  if (kept === undefined || kept.uses++ > usesOfRegistry) {
    kept = { types: registryOf(version), uses: 0 }
    registries.set(version, kept)
  }
  return kept.types
}

/** A recorded stream, a transaction at a time, each with the relations that it needs before it. */
function pieces(path: string): Uint8Array[] {
  const { frames } = framesOf(readCorpusFile(path))
  const made: Uint8Array[] = []
  const relations = new Map<number, Frame>()
  let piece: Frame[] = []
  for (const frame of frames) {
    const kind = frame.body[0] === 0x77 ? frame.body[25] : undefined
    if (kind === relationTag) relations.set(oidOf(frame), frame)
    else piece.push(frame)
    if (kind !== 0x43 && frames.at(-1) !== frame) continue
    const needed = [...relations].filter(([oid]) =>
      piece.some((change) => oidOf(change) === oid || change.body[25] === 0x54),
    )
    made.push(streamOf([...needed.map(([, relation]) => relation), ...piece]))
    piece = []
  }
  return made
}

/** Int32 behind XLogData's header and the message's tag. */
function oidOf({ body }: Frame): number {
  return Buffer.from(body.subarray(26, 30)).reduce((oid, byte) => oid * 256 + byte, 0)
}
