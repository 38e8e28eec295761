import { expect, test } from 'vitest'
import { encodeDelete, encodeInsert, type RelationMessage } from '../../src/decoder/messages.ts'
import { PgoutputDecoder } from '../../src/decoder/pgoutput.ts'
import type { ReplicaIdentity } from '../../src/decoder/relation.ts'
import { utf8 } from './arbitraries.ts'

function table(oid: number, name: string, replicaIdentity: ReplicaIdentity = 'default'): RelationMessage {
  const columns = ['id', 'note'].map((column) => ({
    name: column,
    typeOid: 25,
    typmod: -1,
    key: column === 'id' || replicaIdentity === 'full',
  }))
  return { kind: 'relation', oid, schema: 'public', name, replicaIdentity, columns }
}

const row = [utf8('1'), utf8('n')]

test('a relation that is forgotten is described again before its rows, and is another one then', () => {
  const decoder = new PgoutputDecoder({ protoVersion: 1 })
  for (const oid of [7, 8]) decoder.define(table(oid, `t_${oid}`))
  const former = decoder.decode(encodeInsert(7, row))
  decoder.forget(new Set([7, 9]))
  expect(decoder.relationCount).toBe(1)
  expect(() => decoder.decode(encodeInsert(7, row))).toThrow('its relation 7 was not described before')
  expect(decoder.decode(encodeInsert(8, row))).toMatchObject({ relation: { name: 't_8' } })
  const again = decoder.define(table(7, 't_7'))
  expect(former).toMatchObject({ relation: again })
  expect(former.kind === 'insert' && former.relation).not.toBe(again)
  expect(decoder.decode(encodeInsert(7, row))).toMatchObject({ new: { id: '1', note: 'n' } })
})

test('so is one that only the streams before knew', () => {
  const before = new PgoutputDecoder({ protoVersion: 1 })
  const relations = [7, 8].map((oid) => before.define(table(oid, `t_${oid}`)))
  const decoder = new PgoutputDecoder({ protoVersion: 1, former: before })
  expect(decoder.relationCount).toBe(2)
  decoder.forget(new Set([7]))
  expect([...decoder.relations.keys()]).toEqual([8])
  expect(decoder.define(table(8, 't_8'))).toBe(relations[1])
  expect(decoder.define(table(7, 't_7'))).not.toBe(relations[0])
  expect(decoder.relationCount).toBe(2)
})

test('a partition that is forgotten has no say any more in what rows of its root are logged under', () => {
  const decoder = new PgoutputDecoder({ protoVersion: 1 })
  const root = table(1, 'root', 'full')
  const partitions = [table(2, 'whole', 'full'), table(3, 'by_key')]
  for (const partition of partitions) {
    decoder.define(root)
    decoder.define(partition)
    decoder.decode(encodeInsert(1, row))
  }
  const deletion = encodeDelete(1, { kind: 'O', tuple: row })
  expect(decoder.decode(deletion)).toMatchObject({ key: { id: '1' }, old: undefined })
  decoder.forget(new Set([3]))
  expect(decoder.decode(deletion)).toMatchObject({ key: undefined, old: { id: '1', note: 'n' } })
  decoder.forget(new Set([1, 2]))
  expect(decoder.relationCount).toBe(0)
  expect(decoder.lastTable).toBeUndefined()
})
