import fc from 'fast-check'
import { Writer } from '../../protocol/messages/writer.ts'
import { either } from './either.ts'

/*
 * Random binary forms: what the receive function of a type takes, so that no text has to be read on the way in.
 */

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const int = (bits: 32 | 64, value: bigint | number) => {
  const view = new DataView(new ArrayBuffer(bits / 8))
  if (bits === 32) view.setInt32(0, Number(value))
  else view.setBigInt64(0, BigInt(value))
  return new Uint8Array(view.buffer)
}
const concat = (...parts: readonly Uint8Array[]) => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Any integer of so many bits, the small, the large and those about 2^53 and 2^32 more often. */
const anyInteger = (least: bigint, greatest: bigint) =>
  either(
    fc.bigInt({ min: least, max: greatest }),
    fc.constantFrom(least, least + 1n, greatest, greatest - 1n),
    fc
      .tuple(
        fc.constantFrom(0n, 2n ** 31n, 2n ** 32n, 2n ** 52n, 2n ** 53n),
        fc.bigInt({ min: -3n, max: 3n }),
        fc.boolean(),
      )
      .map(([size, off, negative]) => (negative ? -(size + off) : size + off))
      .filter((value) => value >= least && value <= greatest),
  )

const float8Bytes = (value: number) => new Uint8Array(new Float64Array([value]).buffer).reverse()
const float4Bytes = (value: number) => new Uint8Array(new Float32Array([value]).buffer).reverse()
const nonNumbers = [-0, Number.NaN, Infinity, -Infinity]

const float8 = either(
  { weight: 4, arbitrary: fc.double().map(float8Bytes) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(0, ...nonNumbers, 5e-324, Number.MAX_VALUE, 2.2250738585072014e-308, 1e15, 1e23, 0.0001)
      .map(float8Bytes),
  },
  { weight: 4, arbitrary: bytesOf(8) },
  // few digits: where the middle between two numbers may be the shortest text
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 999 }), fc.integer({ min: -30, max: 40 }))
      .map(([digits, power]) => float8Bytes(Number(`${digits}e${power}`))),
  },
).map((bytes) => withoutNan(bytes, 8))

const float4 = either(
  { weight: 4, arbitrary: fc.float().map(float4Bytes) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(0, ...nonNumbers, 1e-45, 3.4028234663852886e38, 1.1754943508222875e-38, 1e6, 16777216, 0.0001)
      .map(float4Bytes),
  },
  { weight: 4, arbitrary: bytesOf(4) },
  // powers of two, whose neighbour below is nearer
  { weight: 2, arbitrary: fc.nat(254).map((exponent) => int(32, exponent << 23)) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 0x7f_ffff }).map((subnormal) => int(32, subnormal)) },
).map((bytes) => withoutNan(bytes, 4))

/** The server reads but one NaN. */
function withoutNan(bytes: Uint8Array, length: 4 | 8): Uint8Array {
  const [first = 0, second = 0] = bytes
  const exponentBits = length === 4 ? 0x80 : 0xf0
  const hasFullExponent = (first & 0x7f) === 0x7f && (second & exponentBits) === exponentBits
  const isInfinite = (second & ~exponentBits & 0xff) === 0 && bytes.subarray(2).every((byte) => byte === 0)
  if (!hasFullExponent || isInfinite) return bytes
  return length === 4 ? Uint8Array.of(0x7f, 0xc0, 0, 0) : Uint8Array.of(0x7f, 0xf8, 0, 0, 0, 0, 0, 0)
}

const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 })
const coordinate = either(fc.integer({ min: -9, max: 9 }), finite, fc.constantFrom(0, ...nonNumbers, 1e23, 5e-324, 0.1))
const floats = (values: readonly number[]) => {
  const view = new DataView(new ArrayBuffer(8 * values.length))
  for (const [index, value] of values.entries()) view.setFloat64(8 * index, value)
  return new Uint8Array(view.buffer)
}
const points = fc.array(fc.tuple(coordinate, coordinate), { minLength: 1, maxLength: 4 }).map((list) => list.flat())

const day = either(
  fc.integer({ min: -800_000, max: 30_000 }),
  fc.integer({ min: -2_451_545, max: 2_145_031_948 }),
  fc.constantFrom(-2_451_545, 2_145_031_948, 0x7fff_ffff, -0x8000_0000),
)
const microseconds = either(
  fc.integer({ min: 0, max: 86_400 }).map((seconds) => BigInt(seconds) * 1_000_000n),
  fc.bigInt({ min: 0n, max: 86_400_000_000n }),
  fc.integer({ min: 0, max: 86_400_000 }).map((milliseconds) => BigInt(milliseconds) * 1000n),
)
const moment = either(
  fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }),
  fc.bigInt({ min: -211_813_488_000_000_000n, max: 9_223_371_331_199_999_999n }),
  fc.tuple(fc.integer({ min: -100_000, max: 20_000 }), microseconds).map(([days, rest]) => {
    return BigInt(days) * 86_400_000_000n + (rest === 86_400_000_000n ? 0n : rest)
  }),
  fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, -211_813_488_000_000_000n, 9_223_371_331_199_999_999n),
)

const count32 = either(fc.integer({ min: -0x7fff_fff0, max: 0x7fff_fff0 }), fc.integer({ min: -30, max: 30 }))
const interval = fc
  .tuple(
    either(
      fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
      fc.bigInt({ min: -(10n ** 8n), max: 10n ** 8n }),
      fc.constant(0n),
    ),
    count32,
    count32,
  )
  .map(([time, days, months]) => concat(int(64, time), int(32, days), int(32, months)))

/** Digits of base 10,000, where the first of them stands, and zeros that are only shown. */
const numericOf = (limits: { digits: number; least: number; most: number; zeros: number }) =>
  fc
    .tuple(
      fc.array(either(fc.integer({ min: 0, max: 9999 }), fc.constantFrom(0, 1, 10, 100, 1000, 9999)), {
        maxLength: limits.digits,
      }),
      fc.integer({ min: limits.least, max: limits.most }),
      fc.boolean(),
      fc.integer({ min: 0, max: limits.zeros }),
    )
    .map(([given, place, negative, more]) => {
      const from = given.findIndex((digit) => digit !== 0)
      const digits = from < 0 ? [] : given.slice(from, given.findLastIndex((digit) => digit !== 0) + 1)
      const weight = digits.length === 0 ? 0 : place
      const last = digits.at(-1) ?? 0
      const zeros = [1000, 100, 10].findIndex((power) => last % power === 0)
      const unused = digits.length === 0 || zeros < 0 ? 0 : 3 - zeros
      const decimals = Math.max(0, 4 * (digits.length - 1 - weight) - unused)
      const writer = new Writer()
        .int16(digits.length)
        .int16(weight)
        .int16(negative && digits.length > 0 ? 0x4000 : 0)
      writer.int16(digits.length === 0 ? more : decimals + more)
      for (const digit of digits) writer.int16(digit)
      return writer.finish().slice()
    })

const numericSign = (sign: number, scale: number) => concat(Uint8Array.of(0, 0, 0, 0), int(32, (sign << 16) | scale))
const numeric = either(
  { weight: 60, arbitrary: numericOf({ digits: 12, least: -8, most: 12, zeros: 12 }) },
  { weight: 1, arbitrary: numericOf({ digits: 40, least: -300, most: 300, zeros: 400 }) },
  // NaN, and the infinities with what the server sends in the place of a scale
  {
    weight: 4,
    arbitrary: fc.constantFrom(numericSign(0xc000, 0), numericSign(0xd000, 0x20), numericSign(0xf000, 0x20)),
  },
)

const address = fc
  .tuple(
    fc.constantFrom(4, 16),
    bytesOf(16),
    either(fc.constant(128), fc.nat(128)),
    // runs of zero groups, and what looks like IPv4 in IPv6
    fc.integer({ min: 0, max: 16 }),
    fc.integer({ min: 0, max: 16 }),
    fc.boolean(),
  )
  .map(([length, given, bits, from, to, mapped]) => {
    const bytes = [...given.subarray(0, length)].map((byte, index) => (index >= from && index < to ? 0 : byte))
    if (mapped && length === 16) bytes.splice(0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255)
    return { bytes, bits: Math.min(bits, 8 * length) }
  })
const inet = (isCidr: boolean) =>
  address.map(({ bytes, bits }) => {
    const kept = bytes.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * index))))
    const sent = isCidr ? kept.map((byte) => byte & 0xff) : bytes
    return Uint8Array.of(bytes.length === 4 ? 2 : 3, bits, isCidr ? 1 : 0, bytes.length, ...sent)
  })

const bitsOf = (limits: { minLength?: number; maxLength: number }) =>
  fc.array(fc.boolean(), limits).map((list) => {
    const bytes = new Uint8Array(Math.ceil(list.length / 8))
    for (const [index, bit] of list.entries()) if (bit) bytes[index >> 3]! |= 0x80 >> (index & 7)
    return concat(int(32, list.length), bytes)
  })

// one without elements is sent like this, and not taken back
const vector = (elementOid: number, elementBytes: 2 | 4) =>
  fc.array(bytesOf(elementBytes), { minLength: 1, maxLength: 8 }).map((elements) => {
    const writer = new Writer().int32(1).int32(0).int32(elementOid).int32(elements.length).int32(0)
    for (const element of elements) writer.int32(elementBytes).bytes(element)
    return writer.finish().slice()
  })

const snapshot = fc
  .uniqueArray(fc.bigInt({ min: 3n, max: 2n ** 62n - 1n }), { minLength: 2, maxLength: 6 })
  .map((xids) => {
    const [least = 0n, ...rest] = xids.sort((a, b) => (a < b ? -1 : 1))
    const beyond = rest.pop() ?? 0n
    return concat(int(32, rest.length), int(64, least), int(64, beyond), ...rest.map((xid) => int(64, xid)))
  })

/** By the type's name in SQL: as the server itself sends them, so what it sends for their text must be the same bytes. */
export const binaryForms: Readonly<Record<string, fc.Arbitrary<Uint8Array>>> = {
  bool: fc.constantFrom(Uint8Array.of(0), Uint8Array.of(1)),
  bytea: fc.uint8Array({ maxLength: 40 }),
  '"char"': fc.nat(127).map((byte) => Uint8Array.of(byte)),
  int2: bytesOf(2),
  int4: anyInteger(-(2n ** 31n), 2n ** 31n - 1n).map((value) => int(32, value)),
  int8: anyInteger(-(2n ** 63n), 2n ** 63n - 1n).map((value) => int(64, value)),
  oid: bytesOf(4),
  float4,
  float8,
  numeric,
  date: day.map((value) => int(32, value)),
  time: microseconds.map((value) => int(64, value)),
  timetz: fc
    .tuple(
      microseconds,
      either(
        fc.integer({ min: -57_599, max: 57_599 }),
        fc.integer({ min: -15, max: 15 }).map((h) => h * 3600),
      ),
    )
    .map(([time, west]) => concat(int(64, time), int(32, west))),
  timestamp: moment.map((value) => int(64, value)),
  timestamptz: moment.map((value) => int(64, value)),
  interval,
  uuid: bytesOf(16),
  inet: inet(false),
  cidr: inet(true),
  macaddr: bytesOf(6),
  macaddr8: bytesOf(8),
  varbit: bitsOf({ maxLength: 40 }),
  'bit(9)': bitsOf({ minLength: 9, maxLength: 9 }),
  point: fc.tuple(coordinate, coordinate).map(floats),
  lseg: fc.tuple(coordinate, coordinate, coordinate, coordinate).map(floats),
  // the server puts the greater corner first
  box: fc
    .tuple(finite, finite, finite, finite)
    .map(([x1, y1, x2, y2]) => floats([Math.max(x1, x2), Math.max(y1, y2), Math.min(x1, x2), Math.min(y1, y2)])),
  line: fc.tuple(finite, fc.constantFrom(1, -1, 0.1, 1e23), finite).map(floats),
  circle: fc.tuple(coordinate, coordinate, finite.map(Math.abs)).map(floats),
  path: fc
    .tuple(fc.constantFrom(0, 1), points)
    .map(([closed, list]) => concat(Uint8Array.of(closed), int(32, list.length / 2), floats(list))),
  polygon: points.map((list) => concat(int(32, list.length / 2), floats(list))),
  tid: bytesOf(6),
  xid: bytesOf(4),
  cid: bytesOf(4),
  xid8: bytesOf(8),
  pg_lsn: bytesOf(8),
  int2vector: vector(21, 2),
  oidvector: vector(26, 4),
  txid_snapshot: snapshot,
  pg_snapshot: snapshot,
}

/** An interval that is infinite, from PostgreSQL 17 on; before, it is one like any other, which not every version reads. */
export const infiniteInterval = fc.constantFrom(
  concat(int(64, 2n ** 63n - 1n), int(32, 2 ** 31 - 1), int(32, 2 ** 31 - 1)),
  concat(int(64, -(2n ** 63n)), int(32, -(2 ** 31)), int(32, -(2 ** 31))),
)

/** A "char" above 127, which PostgreSQL 14 prints as a byte that is no text. */
export const upperChar = fc.integer({ min: 128, max: 255 }).map((byte) => Uint8Array.of(byte))

/** Some object of the system, which is the same in every database, or a number that is none. */
const oidAlias = (...known: readonly number[]) =>
  either(
    fc.constantFrom(0, ...known).map((oid) => int(32, oid)),
    fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }).map((oid) => int(32, oid)),
  )

/** By the type's name in SQL: binary forms that say less than the text does, which only the server can make of them. */
export const opaqueForms: Readonly<Record<string, fc.Arbitrary<Uint8Array>>> = {
  money: anyInteger(-(2n ** 63n), 2n ** 63n - 1n).map((value) => int(64, value)),
  // boolin, int4in, now
  regproc: oidAlias(1242, 42, 1299),
  regprocedure: oidAlias(1242, 42, 1299),
  // =(integer,integer), ||/(double precision)
  regoper: oidAlias(597),
  regoperator: oidAlias(96, 597),
  // pg_type, pg_class
  regclass: oidAlias(1247, 1259),
  // integer, "char", timestamp with time zone, int4[]
  regtype: oidAlias(23, 18, 1184, 1007),
  regconfig: oidAlias(3748),
  regdictionary: oidAlias(3765),
  regnamespace: oidAlias(11, 99),
  // the first superuser, pg_monitor
  regrole: oidAlias(10, 3373),
  regcollation: oidAlias(100, 950),
}
