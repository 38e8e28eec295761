import { describe, expect, test } from 'vitest'
import type { Checkpoint } from '../../../src/delivery/file/checkpoint.ts'
import { resume } from '../../../src/delivery/file/resume.ts'
import { positionAt } from '../scripted-feed.ts'

const parsed = {
  start: undefined,
  output: '/data/out',
  rotates: false,
  checkpoint: '/data/cp',
  publications: ['shop'],
}
const output = { path: '/data/out', length: 100 }
const stored = (parts: Partial<Checkpoint> = {}): Checkpoint => ({
  version: 2,
  start: null,
  position: positionAt(5),
  output,
  ...parts,
})

describe('continues', () => {
  test('nothing is there yet: from the beginning, as the arguments say', () => {
    expect(resume(parsed, undefined, undefined)).toEqual({ start: undefined, extent: { part: 0, length: 0 } })
    expect(resume({ ...parsed, start: 'slot' }, undefined, 0)).toEqual({
      start: 'slot',
      extent: { part: 0, length: 0 },
    })
  })

  test('from the position, the output cut back to what it covers', () => {
    expect(resume(parsed, stored(), 130)).toEqual({ start: positionAt(5), extent: { part: 0, length: 100 } })
    expect(resume(parsed, stored(), 100)).toEqual({ start: positionAt(5), extent: { part: 0, length: 100 } })
  })

  test('inside the snapshot: from its beginning, the output cut back to nothing, however much of it is left', () => {
    for (const phase of ['new', 'snapshot'] as const) {
      const position = positionAt(5, phase)
      expect(resume(parsed, stored({ position }), 20)).toEqual({ start: position, extent: { part: 0, length: 0 } })
    }
  })

  test('inside the copy of a feed that began anew: the output cut back to where that copy began', () => {
    for (const phase of ['new', 'snapshot'] as const) {
      const position = positionAt(5, phase)
      const begun = stored({ position, output: { ...output, copiedFrom: 60 } })
      expect(resume(parsed, begun, 80)).toEqual({ start: position, extent: { part: 0, length: 60 } })
      expect(() => resume(parsed, begun, 59)).toThrow(expect.objectContaining({ code: 'output_shorter' }))
    }
  })

  test('to stdout there is nothing to cut', () => {
    const toStdout = { ...parsed, output: undefined }
    expect(resume(toStdout, stored({ output: null }), undefined)).toEqual({
      start: positionAt(5),
      extent: { part: 0, length: 0 },
    })
  })

  test('the same arguments again: the --start that began it gives way to the position', () => {
    expect(resume({ ...parsed, start: 'slot' }, stored({ start: 'slot' }), 100).start).toEqual(positionAt(5))
    expect(resume(parsed, stored({ start: 'slot' }), 100).start).toEqual(positionAt(5))
  })

  test('killed before the first position: the --start that began it counts, and the output is cut back to nothing', () => {
    const begun = stored({ start: '0/5', position: null, output: { path: '/data/out', length: 0 } })
    expect(resume({ ...parsed, start: '0/5' }, begun, 20)).toEqual({ start: '0/5', extent: { part: 0, length: 0 } })
    expect(resume(parsed, begun, 20)).toEqual({ start: '0/5', extent: { part: 0, length: 0 } })
  })
})

describe('refuses', () => {
  test.each<[string, () => unknown, string]>([
    ['an output that no checkpoint explains', () => resume(parsed, undefined, 1), 'output_not_empty'],
    ['an output that is shorter', () => resume(parsed, stored(), 99), 'output_shorter'],
    ['an output that is gone', () => resume(parsed, stored(), undefined), 'output_shorter'],
    ['another output', () => resume({ ...parsed, output: '/data/other' }, stored(), 100), 'checkpoint_output'],
    ['stdout instead of a file', () => resume({ ...parsed, output: undefined }, stored(), 0), 'checkpoint_output'],
    ['a file instead of stdout', () => resume(parsed, stored({ output: null }), 100), 'checkpoint_output'],
    ['a start where a position is', () => resume({ ...parsed, start: 'slot' }, stored(), 100), 'checkpoint_start'],
    [
      'another start than the one that began it',
      () => resume({ ...parsed, start: '0/6' }, stored({ start: '0/5', position: null }), 0),
      'checkpoint_start',
    ],
    [
      'a publication more',
      () => resume({ ...parsed, publications: ['crm', 'shop'] }, stored(), 100),
      'checkpoint_publications',
    ],
    [
      'another publication, in the snapshot too',
      () => resume({ ...parsed, publications: ['crm'] }, stored({ position: positionAt(0, 'new') }), 100),
      'checkpoint_publications',
    ],
  ])('%s', (_, refused, code) => {
    expect(refused).toThrow(expect.objectContaining({ code }))
  })
})
