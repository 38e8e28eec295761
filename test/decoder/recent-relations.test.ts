import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { encodeInsert, type RelationMessage } from '../../src/decoder/messages.ts'
import { PgoutputDecoder } from '../../src/decoder/pgoutput.ts'

const names = Array.from({ length: 10 }, (_, index) => `column_${index}`)

function tableOf(oid: number): RelationMessage {
  const columns = names.map((name, index) => ({ name, typeOid: index === 0 ? 23 : 25, typmod: -1, key: index === 0 }))
  return { kind: 'relation', oid, schema: 'public', name: `made_at_${oid}`, replicaIdentity: 'default', columns }
}

function rowOf(oid: number): Uint8Array {
  return encodeInsert(
    oid,
    names.map((_, index) => Buffer.from(String(oid + index))),
  )
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
  return process.memoryUsage().heapUsed
}

test('of tables that come and go only the descriptions stay, and a row of any of them can be read', () => {
  const decoder = new PgoutputDecoder({ protoVersion: 1 })
  const read = (oid: number) => decoder.decode(rowOf(oid))
  const use = (from: number, to: number) => {
    for (let oid = from; oid < to; oid++) {
      decoder.define(tableOf(oid))
      read(oid)
    }
  }
  use(20_000, 21_000)
  const before = heapUsed()
  use(21_000, 24_000)
  const bytesEach = (heapUsed() - before) / 3_000
  expect(bytesEach).toBeLessThan(4_000)

  for (const oid of [20_000, 23_999, 20_001, 20_000]) {
    expect(read(oid)).toMatchObject({ kind: 'insert', new: { column_0: oid, column_9: String(oid + 9) } })
  }
})
