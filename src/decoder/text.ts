import { WalwireError } from '../protocol/messages/errors.ts'

/** Reads bytes[start, end) as a string, which is a copy. */
export type SliceText = (bytes: Uint8Array, start: number, end: number) => string

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const fatalDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

const decode: SliceText = (bytes, start, end) => decoder.decode(bytes.subarray(start, end))

/**
 * Node's own slices, called on the plain Uint8Array, take half the time of a TextDecoder. They are looked up rather than
 * imported, so that the decoder also runs where there is no Buffer, and tried before they are trusted.
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

/** Measured: for so many characters String.fromCharCode takes half the time of any slice, beyond them the slices win. */
const longestShortText = 24

/**
 * Short ASCII in one call of String.fromCharCode, which wants its arguments written out one by one: hence the generated
 * code, a switch over the length. Everything else goes to `slice`, and all of it where code may not be generated.
 */
function withShortText(slice: SliceText): SliceText {
  const cases = Array.from({ length: longestShortText + 1 }, (_, length) => {
    const units = Array.from({ length }, (_, index) => `c${index}`)
    if (length === 0) return 'case 0: return ""'
    return `case ${length}: {
      const ${units.map((unit, index) => `${unit} = b[s + ${index}]`).join(', ')}
      if ((${units.join(' | ')}) < 128) return fromCharCode(${units.join(', ')})
      break
    }`
  })
  const body = `'use strict'
return function sliceText(b, s, e) {
  switch (e - s) { ${cases.join('\n')} }
  return slice(b, s, e)
}`
  try {
    return new Function('slice', 'fromCharCode', body)(slice, String.fromCharCode)
  } catch {
    return slice
  }
}

/** No engine has a limit for strings below this length, a little under 2^28. */
export const surelyShortEnough = 0x0fff_ffe7

function withLengthLimit(slice: SliceText): SliceText {
  return (bytes, start, end) => {
    if (end - start <= surelyShortEnough) return slice(bytes, start, end)
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
}

/**
 * UTF-8 that is known to be valid, since the server checked it: what is not valid becomes U+FFFD.
 *
 * @throws {WalwireError} `value_too_long` when a JavaScript string cannot be so long (512 MiB in V8).
 */
export const sliceUtf8: SliceText = withShortText(withLengthLimit(nativeSlice('utf8Slice', '\ufeffé€😀') ?? decode))

/**
 * ASCII only: for the text of types that have no other characters.
 *
 * @throws {WalwireError} `value_too_long` when a JavaScript string cannot be so long (512 MiB in V8).
 */
export const sliceAscii: SliceText = withShortText(
  withLengthLimit(nativeSlice('latin1Slice', '2026-01-02 03:04:05') ?? decode),
)

const nativeUtf8 = withLengthLimit(nativeSlice('utf8Slice', '\ufeffé€😀') ?? decode)

/** What is not UTF-8 becomes U+FFFD, so that only a text with one must be looked at twice. */
const checkedUtf8: SliceText = (bytes, start, end) => {
  const text = nativeUtf8(bytes, start, end)
  if (!text.includes('\ufffd')) return text
  try {
    return fatalDecoder.decode(bytes.subarray(start, end))
  } catch (cause) {
    throw new WalwireError('invalid_text', {
      what: 'a text could not be read',
      why: 'its bytes are not UTF-8, and the server did not look: the database has the encoding SQL_ASCII, or they came out of a database of another encoding, as names of roles do',
      hint: "correct the stored value, leave its column out of the publication, or take it as bytes: invalidText: 'bytes'",
      cause,
    })
  }
}

/**
 * UTF-8 that nobody has checked. A database with the encoding SQL_ASCII sends whatever bytes were stored, and any other
 * sends names of roles and databases as they were written in a database of another encoding.
 *
 * @throws {WalwireError} `invalid_text` when it is not UTF-8, `value_too_long` when a JavaScript string cannot be so long.
 */
export const sliceUtf8Strictly: SliceText = withShortText(checkedUtf8)
