// Nanoseconds to read one value from its text, each type against what a simple client does.
//   npm run build && node bench/micro/values.mjs
// Compare figures of one run only: they move by half with what else the machine does.
import { TypeRegistry } from '../../dist/decoder/types/registry.js'

const types = new TypeRegistry()
const count = 100_000
const rounds = 9

const slice = (bytes, start, end) => bytes.utf8Slice(start, end)
const number = (bytes, start, end) => Number(bytes.latin1Slice(start, end))
const bigint = (bytes, start, end) => BigInt(bytes.latin1Slice(start, end))
const split = (bytes, start, end) => bytes.utf8Slice(start + 1, end - 1).split(',')

const word = (length) => Array.from({ length }, () => String.fromCharCode(97 + Math.random() * 26)).join('')
const list = (length, element) => `{${Array.from({ length }, element).join(',')}}`

/** What is measured, OID, a text of it, the simple client's way. */
const cases = [
  ['int4', 23, () => `${Math.floor(Math.random() * 1e7)}`, number],
  ['int8, 12 digits', 20, () => `${Math.floor(Math.random() * 1e12)}`, bigint],
  ['int8, 18 digits', 20, () => `9${Math.random().toFixed(17).slice(2)}`, bigint],
  ['float8, 7 digits', 701, () => (Math.random() * 1e5).toFixed(2), number],
  ['float8, 17 digits', 701, () => `${Math.random()}`, number],
  ['text, 10', 25, () => word(10), slice],
  ['text, 24', 25, () => word(24), slice],
  ['text, 60', 25, () => word(60), slice],
  ['numeric', 1700, () => (Math.random() * 1e5).toFixed(2), slice],
  ['timestamptz', 1184, () => '2026-01-02 03:04:05.678901+00', slice],
  ['int4[], 5', 1007, () => list(5, () => Math.floor(Math.random() * 1e5)), split],
  ['text[], 4', 1009, () => list(4, () => word(6)), split],
  ['text[], 4 in quotes', 1009, () => list(4, () => `"${word(3)} ${word(3)}"`), split],
]

/** A loop of its own for each reader, so that every call site sees one function, as in a compiled row reader. */
function timer(read) {
  const loop = new Function(
    'read',
    'bytes',
    'ends',
    'sink',
    `
    let start = 0
    for (let i = 0; i < ends.length; i++) {
      sink[i & 1023] = read(bytes, start, ends[i])
      start = ends[i]
    }`,
  )
  return (bytes, ends) => {
    const begin = process.hrtime.bigint()
    loop(read, bytes, ends, new Array(1024))
    return Number(process.hrtime.bigint() - begin) / ends.length
  }
}

const median = (values) =>
  values
    .sort((a, b) => a - b)
    [values.length >> 1].toFixed(1)
    .padStart(8)

for (const [name, oid, make, simple] of cases) {
  const texts = Array.from({ length: count }, make)
  const bytes = Buffer.from(texts.join(''))
  const ends = []
  for (const text of texts) ends.push((ends.at(-1) ?? 0) + text.length)
  const ours = timer(types.get(oid).readText)
  const theirs = timer(simple)
  const times = { ours: [], theirs: [] }
  for (let round = -3; round < rounds; round++) {
    const [a, b] = [ours(bytes, ends), theirs(bytes, ends)]
    if (round >= 0) times.ours.push(a) && times.theirs.push(b)
  }
  console.log(`${name.padEnd(22)} walwire ${median(times.ours)} ns   simple ${median(times.theirs)} ns`)
}
