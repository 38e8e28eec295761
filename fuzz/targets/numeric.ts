import { numericCodec } from '../../src/decoder/types/numeric.ts'
import { Choices } from '../choices.ts'
import { demand, type Target } from '../target.ts'

const encoder = new TextEncoder()
/** An Int16 weight of 32,767 is a number of 131,072 digits, however few of them were sent. */
const longestNumber = 1 << 18

/** numeric, from text to binary and back, and from binary to text and back. */
export const numericTarget: Target = {
  name: 'numeric',
  about: 'numeric in both directions: text to binary to text, and binary to text to binary, nothing lost',
  seeds: () => [
    ...['0', '-0.00', '1e', 'NaN', '-Infinity', '10000', '0.0001', '123456789.987654321', `1${'0'.repeat(64)}`].map(
      asText,
    ),
    Uint8Array.of(1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1),
    Uint8Array.of(1, 0, 2, 0, 0, 0x40, 0, 0, 4, 0, 12, 0x1f, 0x40),
    Uint8Array.of(1, 0, 0, 0, 0, 0xc0, 0, 0, 0),
    Uint8Array.of(1, 0, 1, 0x7f, 0xff, 0, 0, 0x3f, 0xff, 0x27, 0x0f),
    Uint8Array.of(2, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 4, 1, 2, 3, 4),
  ],
  words: ['.', '-', '0', '0000', '9999', 'NaN', 'Infinity', 'e', Uint8Array.of(0x27, 0x0f), Uint8Array.of(0x7f, 0xff)],
  mayAllocate: (bytes) => 64 * bytes + 64 * longestNumber,
  run(input) {
    const body = input.subarray(1)
    switch ((input[0] ?? 0) % 3) {
      case 0:
        fromText(new TextDecoder().decode(body))
        break
      case 1:
        fromBinary(body)
        break
      default:
        fromText(written(new Choices(body)))
    }
  },
}

function asText(text: string): Uint8Array {
  return Uint8Array.of(0, ...encoder.encode(text))
}

/** A text as the server writes it. */
function written(choices: Choices): string {
  const digits = (most: number) => choices.list(most, () => choices.below(10)).join('')
  const zeros = choices.once(4) ? '0'.repeat(choices.below(300)) : ''
  const whole = (digits(40) + zeros).replace(/^0+/, '') || '0'
  const fraction = (choices.once(4) ? '0'.repeat(choices.below(300)) : '') + digits(40)
  const text = fraction === '' ? whole : `${whole}.${fraction}`
  return choices.once(2) && /[1-9]/.test(text) ? `-${text}` : text
}

const canonical = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?|NaN|-?Infinity)$/

function fromText(text: string): void {
  const isCanonical = canonical.test(text) && !/^-[0.]*$/.test(text)
  let binary: Uint8Array
  try {
    binary = encode(text)
  } catch (error) {
    const [whole = '', fraction = ''] = text.replace('-', '').split('.')
    const fits = whole.length <= 131_072 && fraction.length <= 16_383
    // the encoder is for values of our own, so what it refuses is a mistake of the caller's
    demand(error instanceof TypeError && !(isCanonical && fits), `${text} is a numeric and cannot be written: ${error}`)
    return
  }
  const back = read(binary)
  if (isCanonical) demand(back === text, `${text} comes back as ${back}`)
  else demand(canonical.test(back), `${text} comes back as ${back}`)
}

function fromBinary(binary: Uint8Array): void {
  const text = read(binary)
  const written = encode(text)
  // digits that are zero at an end, and a zero with a sign, are the same number: the server never sends them
  const again = read(written)
  demand(sameNumber(text, again), `${text.slice(0, 100)} comes back as ${again.slice(0, 100)}`)
  demand(read(encode(again)) === again, `${again.slice(0, 100)} does not stay what it is`)
}

function sameNumber(a: string, b: string): boolean {
  return a.replace(/^(-?)0+(?=\d)/, '$1').replace(/^-(?=[0.]*$)/, '') === b
}

function encode(text: string): Uint8Array {
  const binary = numericCodec.encodeBinary?.(text)
  demand(binary !== undefined, 'numeric cannot be written in binary')
  return binary
}

function read(binary: Uint8Array): string {
  const text = numericCodec.readBinary?.(binary, 0, binary.length)
  demand(text !== undefined, 'numeric cannot be read in binary')
  return text
}
