import { edges, lie, mutateBytes, replaced, withInt32 } from './mutate.ts'
import type { Random } from './random.ts'
import type { Grow } from './target.ts'

/** One message of a stream: its tag, and its body behind the length word. */
export interface Frame {
  readonly tag: number
  readonly body: Uint8Array
}

const headerBytes = 5

/** Cuts a stream into messages as far as it has whole ones; `rest` is what remains. */
export function framesOf(stream: Uint8Array): { readonly frames: readonly Frame[]; readonly rest: Uint8Array } {
  const frames: Frame[] = []
  let at = 0
  while (at + headerBytes <= stream.length) {
    const length = int32At(stream, at + 1)
    if (length < 4 || at + 1 + length > stream.length) break
    frames.push({ tag: stream[at]!, body: stream.slice(at + headerBytes, at + 1 + length) })
    at += 1 + length
  }
  return { frames, rest: stream.slice(at) }
}

/** The stream of these messages, with length words that are true. */
export function streamOf(frames: readonly Frame[], rest: Uint8Array = new Uint8Array(0)): Uint8Array {
  const length = frames.reduce((sum, { body }) => sum + headerBytes + body.length, 0)
  const stream = new Uint8Array(length + rest.length)
  let at = 0
  for (const { tag, body } of frames) {
    stream[at] = tag
    stream.set(withInt32(stream.subarray(at + 1, at + headerBytes), 0, body.length + 4), at + 1)
    stream.set(body, at + headerBytes)
    at += headerBytes + body.length
  }
  stream.set(rest, at)
  return stream
}

/**
 * Changes a stream as a stream: messages left out, repeated, moved and taken from another, bodies changed with their
 * length words made to fit, and lengths and counts that lie. Bytes behind the last whole message stay.
 */
export function mutateFrames(stream: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const { frames, rest } = framesOf(stream)
  if (frames.length === 0) return mutateBytes(stream, { random, other, words: [], longest: 1 << 16 })
  const changed = [...frames]
  const at = random.below(changed.length)
  const frame = changed[at]!
  switch (random.below(9)) {
    case 0:
      changed.splice(at, random.upTo(4))
      break
    case 1:
      changed.splice(at, 0, ...changed.slice(at, at + random.upTo(4)))
      break
    case 2: {
      const moved = changed.splice(at, random.upTo(4))
      changed.splice(random.below(changed.length + 1), 0, ...moved)
      break
    }
    case 3: {
      const others = framesOf(other).frames
      const from = random.below(others.length + 1)
      changed.splice(at, random.once(2) ? 1 : 0, ...others.slice(from, from + random.upTo(8)))
      break
    }
    case 4: {
      const others = framesOf(other).frames
      return streamOf([...changed.slice(0, at), ...others.slice(random.below(others.length + 1))])
    }
    case 5:
      changed[at] = { tag: random.once(8) ? random.below(256) : frame.tag, body: lengthLie(frame.body, random) }
      break
    case 6: {
      // the length word of the message itself, with everything behind it out of step
      const before = streamOf(changed.slice(0, at))
      const after = streamOf(changed.slice(at), rest)
      return replaced(
        before,
        before.length,
        before.length,
        withInt32(after, 1, lie(frame.body.length, after.length, random)),
      )
    }
    default:
      changed[at] = { tag: frame.tag, body: mutateBytes(frame.body, { random, other, words: [], longest: 1 << 16 }) }
  }
  return streamOf(changed, rest)
}

/** Repeats a few messages, or bytes in the middle of one. */
export function growFrames(stream: Uint8Array, random: Random): Grow {
  const { frames } = framesOf(stream)
  const from = random.below(frames.length || 1)
  const to = Math.min(frames.length, from + random.upTo(3))
  const frame = frames[from]
  if (frame !== undefined && random.once(2)) {
    const start = random.below(frame.body.length + 1)
    const end = Math.min(frame.body.length, start + random.upTo(64))
    const repeated = frame.body.subarray(start, end)
    return (times) => {
      const more = new Uint8Array(repeated.length * (times - 1))
      for (let time = 0; time < times - 1; time++) more.set(repeated, time * repeated.length)
      const body = replaced(frame.body, end, end, more)
      return streamOf([...frames.slice(0, from), { tag: frame.tag, body }, ...frames.slice(from + 1)])
    }
  }
  return (times) =>
    streamOf([
      ...frames.slice(0, from),
      ...Array.from({ length: times }, () => frames.slice(from, to)).flat(),
      ...frames.slice(to),
    ])
}

/** Overwrites what may be a length or a count: a small number in network order. */
function lengthLie(body: Uint8Array, random: Random): Uint8Array {
  const places: number[] = []
  for (let at = 0; at + 2 <= body.length; at++) if (body[at] === 0) places.push(at)
  const at = places.length === 0 ? 0 : random.pick(places)
  const remaining = body.length - at - 4
  if (random.once(2)) return withInt32(body, at, lie(int32At(body, at), remaining, random))
  const result = body.slice()
  const value = random.pick(edges)
  if (at + 1 < result.length) {
    result[at] = value >>> 8
    result[at + 1] = value
  }
  return result
}

function int32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
}
