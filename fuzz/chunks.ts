import { Framer } from '../src/protocol/messages/framer.ts'
import { Random } from './random.ts'

/** The stream in pieces that share no memory, cut at these places, which are in order. */
export function cutAt(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const bounds = [0, ...places, stream.length]
  return bounds.slice(1).map((end, index) => stream.slice(bounds[index], end))
}

/** Streams are cut at every byte at once up to this length. */
const longestByteByByte = 4096

/**
 * The ways in which a stream is cut: whole, byte by byte, into a few random pieces, and, for one in eight that are short,
 * into two at every place. The same for the same stream.
 */
export function* chunkings(stream: Uint8Array, everyPlaceBelow: number): Generator<Uint8Array[], undefined> {
  const random = new Random(`${stream.length} ${stream[stream.length >> 1]} ${stream.at(-1)}`)
  yield [stream.slice()]
  yield cutAt(
    stream,
    Array.from({ length: random.upTo(8) }, () => random.below(stream.length + 1)).sort((a, b) => a - b),
  )
  if (stream.length > longestByteByByte) return undefined
  yield cutAt(
    stream,
    Array.from(stream, (_, place) => place),
  )
  if (stream.length >= everyPlaceBelow || !random.once(8)) return undefined
  for (let place = 1; place < stream.length; place++) yield cutAt(stream, [place])
  return undefined
}

/** Takes each message that the framer shows. */
export type TakeFrame = (tag: number, bytes: Uint8Array, start: number, end: number) => void

/**
 * Gives the chunks to a framer one by one, and takes all messages that are there after each. Every message is written
 * over as soon as it was taken, as by a socket that uses its buffers again: what was made of it must not change.
 */
export function readChunks(chunks: readonly Uint8Array[], take: TakeFrame): void {
  const framer = new Framer()
  for (const chunk of chunks) {
    framer.push(chunk)
    while (framer.next()) {
      take(framer.tag, framer.bytes, framer.start, framer.end)
      framer.bytes.fill(0x2a, framer.start, framer.end)
    }
  }
}
