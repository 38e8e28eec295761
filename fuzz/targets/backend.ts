import { isDeepStrictEqual } from 'node:util'
import { type BackendMessage, decodeBackend, encodeBackend } from '../../src/protocol/messages/backend.ts'
import { WalwireError } from '../../src/protocol/messages/errors.ts'
import { serverError } from '../../src/protocol/messages/server-error.ts'
import { chunkings, readChunks } from '../chunks.ts'
import { readCorpusFile } from '../corpus.ts'
import { framesOf, growFrames, mutateFrames, streamOf } from '../frames.ts'
import { recordedVersions } from '../known-types.ts'
import { demand, type Target } from '../target.ts'

/** Whatever a server may send outside of replication. */
export const backendTarget: Target = {
  name: 'backend',
  about: 'the framer and every ordinary message of a server: the same messages however the bytes are cut',
  seeds: () => recordedVersions.flatMap((version) => pieces(readCorpusFile(`sessions/pg${version}.session`))),
  mutate: mutateFrames,
  grow: growFrames,
  // byte by byte, each byte is a chunk of its own for the framer
  mayAllocate: (bytes) => 2000 * bytes,
  longestInput: 8192,
  run(input) {
    let first: Received | undefined
    for (const chunks of chunkings(input, 48)) {
      const received = receive(chunks)
      if (first === undefined) first = received
      else demand(isDeepStrictEqual(received, first), 'cut otherwise, the same bytes give other messages')
    }
    if (first?.failure !== undefined) throw first.failure
  },
}

interface Received {
  readonly messages: readonly BackendMessage[]
  readonly failure: WalwireError | undefined
}

function receive(chunks: readonly Uint8Array[]): Received {
  const messages: BackendMessage[] = []
  try {
    readChunks(chunks, (tag, bytes, start, end) => {
      const message = decodeBackend(tag, bytes, start, end)
      messages.push(message)
      const again = encodeBackend(message)
      const readAgain = decodeBackend(tag, again, 5, again.length)
      demand(isDeepStrictEqual(readAgain, message), 'written and read again, a message is another')
      if (message.type === 'ErrorResponse') serverError('a command failed', message.fields, 'startup')
    })
  } catch (error) {
    if (!(error instanceof WalwireError)) throw error
    return { messages, failure: error }
  }
  return { messages, failure: undefined }
}

/** A session in a few pieces, so that most messages of an input are read. */
function pieces(session: Uint8Array): Uint8Array[] {
  const { frames } = framesOf(session)
  const each = 8
  return Array.from({ length: Math.ceil(frames.length / each) }, (_, index) =>
    streamOf(frames.slice(index * each, (index + 1) * each)),
  )
}
