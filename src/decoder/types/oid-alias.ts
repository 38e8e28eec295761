import { uint32At } from '../../protocol/messages/big-endian.ts'
import type { Codec } from './codec.ts'
import { bigEndian } from './integer.ts'
import { textCodec } from './string.ts'
import { checkLength } from './value-length.ts'

/*
 * regclass, regtype, regproc … Text: a name, as the search_path and the catalog have it. Binary: the OID alone, of which
 * walwire does not know the name: what it reads is the number, which the server takes for the name as well.
 * https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/regproc.c
 */

const readBinary = (bytes: Uint8Array, start: number, end: number) => {
  checkLength(start, end, 4, 'object identifier')
  return `${uint32At(bytes, start)}`
}

function makeCodec(text: Codec<string>): Codec<string> {
  return {
    ...text,
    readBinary,
    encodeBinary: (value) => {
      const name = text.encodeText(value)
      if (!/^\d{1,10}$/.test(name) || Number(name) > 0xffff_ffff) {
        throw new TypeError(`only the server knows the OID of '${name}'`)
      }
      return bigEndian(BigInt(name), 4)
    },
    binaryExact: false,
  }
}

/** The types that stand for an OID and show a name: a string. */
export const oidAliasCodec: Codec<string> = {
  ...makeCodec(textCodec),
  strict: makeCodec(textCodec.strict ?? textCodec),
}
