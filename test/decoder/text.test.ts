import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'

const encode = (text: string) => new TextEncoder().encode(text)

/** The slices as they are chosen when the module is loaded now. */
async function load() {
  vi.resetModules()
  return import('../../src/decoder/text.ts')
}

afterEach(() => {
  vi.unstubAllGlobals()
})

/** Where there is Node's Buffer, and where there is none. */
const places: Record<string, () => ReturnType<typeof load>> = {
  'with Buffer': load,
  'without Buffer': async () => {
    vi.stubGlobal('Buffer', undefined)
    try {
      return await load()
    } finally {
      vi.unstubAllGlobals()
    }
  },
  'with a Buffer that has no slices of its own': async () => {
    vi.stubGlobal('Buffer', class {})
    try {
      return await load()
    } finally {
      vi.unstubAllGlobals()
    }
  },
  'where no code may be generated': async () => {
    vi.stubGlobal('Function', () => {
      throw new EvalError('Code generation from strings disallowed for this context')
    })
    try {
      return await load()
    } finally {
      vi.unstubAllGlobals()
    }
  },
}

describe.each(Object.keys(places))('%s', (place) => {
  test('any text, of any length, between bytes that belong to others', async () => {
    const { sliceUtf8, sliceUtf8Strictly } = await places[place]!()
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ unit: 'grapheme-ascii', maxLength: 60 }),
    )
    fc.assert(
      fc.property(text, (text) => {
        const bytes = encode(`é${text}é`)
        expect(sliceUtf8(bytes, 2, bytes.length - 2)).toBe(text)
        expect(sliceUtf8Strictly(bytes, 2, bytes.length - 2)).toBe(text)
      }),
    )
  })

  test('ASCII of every length', async () => {
    const { sliceAscii, sliceUtf8 } = await places[place]!()
    for (let length = 0; length < 200; length++) {
      const text = Array.from({ length }, (_, index) => String.fromCharCode((length + index) % 128)).join('')
      const bytes = encode(`é${text}é`)
      expect(sliceAscii(bytes, 2, 2 + length)).toBe(text)
      expect(sliceUtf8(bytes, 2, 2 + length)).toBe(text)
    }
  })

  test('a byte order mark is a character like any other', async () => {
    const { sliceUtf8, sliceUtf8Strictly } = await places[place]!()
    const bytes = encode('\ufeffa')
    expect(sliceUtf8(bytes, 0, bytes.length)).toBe('\ufeffa')
    expect(sliceUtf8Strictly(bytes, 0, bytes.length)).toBe('\ufeffa')
  })

  test('what is not UTF-8 is replaced, or refused where it must be checked', async () => {
    const { sliceUtf8, sliceUtf8Strictly } = await places[place]!()
    for (const bytes of [[0xff], [0x61, 0xc3], [0xed, 0xa0, 0x80], Array.from({ length: 40 }, () => 0xe4)]) {
      const text = Uint8Array.from(bytes)
      expect(sliceUtf8(text, 0, text.length)).toContain('\ufffd')
      expect(() => sliceUtf8Strictly(text, 0, text.length)).toThrow(expect.objectContaining({ code: 'invalid_text' }))
    }
  })

  test('the string holds nothing of the bytes (trap 61)', async () => {
    const { sliceUtf8, sliceAscii } = await places[place]!()
    for (const length of [3, 30, 3000]) {
      const bytes = encode('x'.repeat(length))
      const slices = [sliceUtf8(bytes, 0, length), sliceAscii(bytes, 0, length)]
      bytes.fill(0x79)
      expect(slices).toEqual(['x'.repeat(length), 'x'.repeat(length)])
    }
  })
})

test('a text that is longer than a string can be is an error of its own', async () => {
  const { sliceUtf8, sliceAscii, sliceUtf8Strictly } = await load()
  // never written to, so that it takes no memory
  const bytes = new Uint8Array(0x2000_0000)
  for (const slice of [sliceUtf8, sliceAscii, sliceUtf8Strictly]) {
    expect(() => slice(bytes, 0, bytes.length)).toThrow(expect.objectContaining({ code: 'value_too_long' }))
  }
})

test('a text of half that length is read', async () => {
  const { sliceUtf8 } = await load()
  const bytes = new Uint8Array(0x1000_0000)
  expect(sliceUtf8(bytes, 0, bytes.length)).toHaveLength(0x1000_0000)
})
