// Writes one event as a line in a process of its own, whose memory is nobody else's, and prints what came of it:
// node write-line.mjs <bytes> <bytea | array | composite | message | two | json>
import { toJsonLine } from '../../dist/index.js'

const [, , size, kind] = process.argv
const bytes = kind === 'json' ? undefined : new Uint8Array(Number(size)).fill(0xab)
const values = {
  bytea: () => bytes,
  array: () => [bytes, bytes.subarray(0, 10)],
  composite: () => ({ a: bytes, b: 1 }),
  two: () => bytes,
  json: () => '[1,\n2,"\u2028"]'.repeat(Number(size) / 12),
}
const column = (name, type, typeOid) => ({ name, type, typeOid, typmod: -1, key: name === 'id' })
const relation = {
  oid: 16_384,
  schema: 'public',
  name: 't',
  table: 'public.t',
  replicaIdentity: 'full',
  columns: [column('id', 'int4', 23), column('small', 'bytea', 17), column('large', 'bytea', 17)],
}
const tx = { xid: 1, commitLsn: 1n, endLsn: 2n, commitTime: 0n, origin: undefined }
const change = { table: 'public.t', relation, lsn: 1n, seq: 0, tx, unchanged: undefined }
const row = { id: 1, small: new Uint8Array(3), large: values[kind]?.() }
const events = {
  message: { kind: 'message', lsn: 1n, transactional: false, prefix: 'p', content: bytes },
  two: { kind: 'update', ...change, new: row, old: row, key: undefined },
}
const event = events[kind] ?? { kind: 'insert', ...change, new: row }
let found
try {
  found = { bytes: Buffer.from(toJsonLine(event)).length }
} catch ({ code, table, column }) {
  found = { code, table, column }
}
console.log(JSON.stringify({ ...found, peak: process.resourceUsage().maxRSS * 1024 }))
