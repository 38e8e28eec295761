import { inspect, isDeepStrictEqual } from 'node:util'
import { decodeRelation } from '../../src/decoder/messages.ts'
import { PgoutputDecoder } from '../../src/decoder/pgoutput.ts'
import { TypeRegistry } from '../../src/decoder/types/registry.ts'
import { Reader } from '../../src/protocol/messages/reader.ts'
import { decodeReplication } from '../../src/protocol/messages/replication-messages.ts'
import { Choices } from '../choices.ts'
import { chunkings, readChunks } from '../chunks.ts'
import { type GeneratedMessage, generateStream } from '../generated-stream.ts'
import { demand, type Target } from '../target.ts'

/** Shared: making one takes a millisecond. All that is ever added to it is the one type that nobody knows. */
const types = new TypeRegistry()

/** Streams that were made up, written by walwire's encoders and read by its decoders. */
export const pgoutputTarget: Target = {
  name: 'pgoutput',
  about: 'made-up pgoutput streams of every kind of message: written, cut anywhere, and read as they were meant',
  seeds: () =>
    Array.from({ length: 16 }, (_, index) =>
      Uint8Array.from({ length: 64 + 16 * index }, (_, at) => (at * (index + 7) * 31) >> 2),
    ),
  mayAllocate: (bytes) => 4000 * bytes + (8 << 20),
  batchInputs: 8,
  longestInput: 1024,
  run(input) {
    const generated = generateStream(new Choices(input), types)
    const stream = join(generated)
    for (const chunks of chunkings(stream, 160)) {
      const decoder = new PgoutputDecoder({ protoVersion: 1, types })
      const read: unknown[] = []
      readChunks(chunks, (_, bytes, start, end) => {
        const message = decodeReplication(bytes, start, end)
        if (message.type !== 'XLogData') {
          read.push(message)
          return
        }
        const decoded = decoder.decode(message.data)
        read.push(decoded)
        if (decoded.kind === 'relation') {
          // the same description again is the same object: who compares references sees no change
          const again = decoder.define(decodeRelation(new Reader(message.data, 1, message.data.length, 'Relation')))
          demand(again === decoded.relation, 'a table that is described again is another one')
        }
      })
      demand(read.length === generated.length, `${generated.length} messages were written and ${read.length} read`)
      for (const [index, { expected }] of generated.entries()) {
        demand(
          isDeepStrictEqual(read[index], expected),
          () =>
            `in ${chunks.length} chunks, message ${index} was ${show(expected)} and is read as ${show(read[index])}`,
        )
      }
    }
  },
}

function join(messages: readonly GeneratedMessage[]): Uint8Array {
  return new Uint8Array(Buffer.concat(messages.map(({ bytes }) => bytes)))
}

function show(value: unknown): string {
  return inspect(value, { depth: 6, breakLength: Number.POSITIVE_INFINITY }).slice(0, 400)
}
