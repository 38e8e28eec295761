import { describe, expect, test } from 'vitest'
import {
  parseTimelineHistory,
  readTimelineHistory,
  switchPoint,
} from '../../../src/replication/catalog/timeline-history.ts'

describe('a timeline history', () => {
  test('is read as the server writes it, with its comments and blank lines', () => {
    const content =
      '# restored by hand\n1\t0/30000D8\tno recovery target specified\n\n  \n2\t1/AB\tat restore point "x\ty"\n'
    expect(parseTimelineHistory(content)).toEqual([
      { timeline: 1, end: 0x30000d8n },
      { timeline: 2, end: 0x1000000abn },
    ])
  })

  test('may be without an end of line, a reason, or anything', () => {
    expect(parseTimelineHistory('1\t0/1')).toEqual([{ timeline: 1, end: 1n }])
    expect(parseTimelineHistory(' 1 \t 0/1 \r\n')).toEqual([{ timeline: 1, end: 1n }])
    expect(parseTimelineHistory('')).toEqual([])
  })

  test.each(['x\t0/1', '1', '1\t', '1\t0', '-1\t0/1', '1\t0/G'])('is refused with the line %j', (line) => {
    expect(() => parseTimelineHistory(`1\t0/1\n${line}\n`)).toThrow(
      expect.objectContaining({ code: 'protocol_violation', offset: 6 }),
    )
  })

  test('says where a timeline was left', () => {
    const history = [
      { timeline: 1, end: 5n },
      { timeline: 3, end: 9n },
    ]
    expect(switchPoint(history, 1)).toBe(5n)
    expect(switchPoint(history, 2)).toBeUndefined()
    expect(switchPoint(history, 3)).toBe(9n)
  })

  test('of the first timeline is not asked for: there is no file', async () => {
    const server = {
      queryBytes: async () => {
        throw new Error('asked')
      },
    }
    expect(await readTimelineHistory(server, 1)).toEqual([])
  })

  test('may hold reasons in any encoding', async () => {
    const server = {
      queryBytes: async (sql: string) => [
        {
          columns: ['filename', 'content'],
          rows: [[Buffer.from(sql), Buffer.from('1\t0/A0\tat restore point "caf\xe9"\n', 'latin1')]],
        },
      ],
    }
    expect(await readTimelineHistory(server, 2)).toEqual([{ timeline: 1, end: 0xa0n }])
  })
})
