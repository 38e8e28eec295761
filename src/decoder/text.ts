import { WalwireError } from '../protocol/errors.ts'

/** Reads bytes[start, end) as a string, which is a copy. */
export type SliceText = (bytes: Uint8Array, start: number, end: number) => string

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const fatalDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

const decode: SliceText = (bytes, start, end) => decoder.decode(bytes.subarray(start, end))

/**
 * Node's own slices, called on the plain Uint8Array, take a fraction of the time of a TextDecoder. They are looked up
 * rather than imported, so that the decoder also runs where there is no Buffer, and tried before they are trusted.
 */
function nativeSlice(name: 'utf8Slice' | 'latin1Slice', sample: string): SliceText | undefined {
  const slice: unknown = globalThis.Buffer === undefined ? undefined : Reflect.get(globalThis.Buffer.prototype, name)
  if (typeof slice !== 'function') return undefined
  const native: SliceText = (bytes, start, end) => slice.call(bytes, start, end)
  const padded = new TextEncoder().encode(`<${sample}>`)
  try {
    return native(padded, 1, padded.length - 1) === sample ? native : undefined
  } catch {
    return undefined
  }
}

const fastUtf8 = nativeSlice('utf8Slice', '\ufeffé€😀') ?? decode
const fastAscii = nativeSlice('latin1Slice', '2026-01-02 03:04:05') ?? decode

/** No JavaScript engine's longest string is shorter; beyond it a slice may fail. */
const surelyShortEnough = 0x0fff_ffff

/**
 * UTF-8 that is known to be valid, since the server checked it: what is not valid becomes U+FFFD.
 *
 * @throws {WalwireError} `value_too_long` when a JavaScript string cannot be so long (512 MiB in V8).
 */
export const sliceUtf8: SliceText = (bytes, start, end) =>
  end - start > surelyShortEnough ? sliceLong(fastUtf8, bytes, start, end) : fastUtf8(bytes, start, end)

/**
 * ASCII only: for the text of types that have no other characters.
 *
 * @throws {WalwireError} `value_too_long` when a JavaScript string cannot be so long (512 MiB in V8).
 */
export const sliceAscii: SliceText = (bytes, start, end) =>
  end - start > surelyShortEnough ? sliceLong(fastAscii, bytes, start, end) : fastAscii(bytes, start, end)

/**
 * UTF-8 that nobody has checked: a database with encoding SQL_ASCII sends whatever bytes were stored.
 *
 * @throws {WalwireError} `invalid_text` when it is not UTF-8, `value_too_long` when a JavaScript string cannot be so long.
 */
export const sliceUtf8Strictly: SliceText = (bytes, start, end) => {
  if (end - start > surelyShortEnough) sliceLong(fastUtf8, bytes, start, end)
  try {
    return fatalDecoder.decode(bytes.subarray(start, end))
  } catch (cause) {
    throw new WalwireError('invalid_text', {
      what: 'a text could not be read',
      why: 'its bytes are not UTF-8, and the database has the encoding SQL_ASCII, so that nothing says what they are',
      hint: 'correct the stored value, or leave its column out of the publication',
      cause,
    })
  }
}

function sliceLong(slice: SliceText, bytes: Uint8Array, start: number, end: number): string {
  try {
    return slice(bytes, start, end)
  } catch (cause) {
    throw new WalwireError('value_too_long', {
      what: 'a text could not be read',
      why: `its ${end - start} bytes are more than a JavaScript string can hold`,
      hint: 'leave its column out of the publication',
      cause,
    })
  }
}
