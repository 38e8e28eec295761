import { describe, expect, test } from 'vitest'
import type { Batch } from '../../src/replication/batch.ts'
import { inTurn, type Source, single } from '../../src/replication/source.ts'
import { somePosition } from './some-position.ts'

function batch(lsn: string): Batch {
  return { events: [], position: { ...somePosition, lsn }, atCommit: true }
}

/** Notes what is done to a source. */
function noted(name: string, notes: string[]): () => Promise<Source> {
  return async () => {
    notes.push(`${name} opened`)
    const source = single(batch(name))
    return {
      next: () => source.next(),
      end: async () => {
        notes.push(`${name} ended`)
      },
    }
  }
}

describe('sources in turn', () => {
  test('are opened when the one before is over, and ended then', async () => {
    const notes: string[] = []
    const all = inTurn([noted('0/1', notes), noted('0/2', notes)])
    expect(await all.next()).toEqual(batch('0/1'))
    expect(notes).toEqual(['0/1 opened'])
    expect(await all.next()).toEqual(batch('0/2'))
    expect(notes).toEqual(['0/1 opened', '0/1 ended', '0/2 opened'])
    expect(await all.next()).toBeUndefined()
    expect(await all.next()).toBeUndefined()
    expect(notes).toEqual(['0/1 opened', '0/1 ended', '0/2 opened', '0/2 ended'])
  })

  test('end with the one that is open, and no other is opened', async () => {
    const notes: string[] = []
    const all = inTurn([noted('0/1', notes), noted('0/2', notes)])
    await all.next()
    await all.end()
    expect(await all.next()).toBeUndefined()
    expect(notes).toEqual(['0/1 opened', '0/1 ended'])
  })

  test('that were ended while one is being opened end that one', async () => {
    const notes: string[] = []
    const all = inTurn([noted('0/1', notes)])
    const pull = all.next()
    await all.end()
    expect(await pull).toBeUndefined()
    expect(notes).toEqual(['0/1 opened', '0/1 ended'])
  })

  test('fail with the one that fails', async () => {
    const all = inTurn([() => Promise.reject(new Error('no connection'))])
    await expect(all.next()).rejects.toThrow('no connection')
  })
})
