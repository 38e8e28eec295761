import { describe, expect, test } from 'vitest'
import {
  createSlotCommand,
  dropSlotCommand,
  readCreateSlot,
  readIdentifySystem,
  readShow,
  readTimelineHistoryFile,
  showCommand,
  startReplicationCommand,
  timelineHistoryCommand,
} from '../../../src/protocol/messages/replication-commands.ts'

const refused = expect.objectContaining({ code: 'protocol_violation' })

describe('CREATE_REPLICATION_SLOT', () => {
  test.each<[Parameters<typeof createSlotCommand>[0], string]>([
    [
      { slot: 's', snapshot: 'nothing', serverVersion: 150_000 },
      `CREATE_REPLICATION_SLOT "s" LOGICAL "pgoutput" (SNAPSHOT 'nothing')`,
    ],
    [
      { slot: 'My "slot"', temporary: true, snapshot: 'export', serverVersion: 180_004 },
      `CREATE_REPLICATION_SLOT "My ""slot""" TEMPORARY LOGICAL "pgoutput" (SNAPSHOT 'export')`,
    ],
    [
      { slot: 's', snapshot: 'use', twoPhase: true, failover: true, serverVersion: 170_000 },
      `CREATE_REPLICATION_SLOT "s" LOGICAL "pgoutput" (SNAPSHOT 'use', TWO_PHASE true, FAILOVER true)`,
    ],
    [
      { slot: 's', plugin: 'test_decoding', snapshot: 'export', serverVersion: 149_999 },
      'CREATE_REPLICATION_SLOT "s" LOGICAL "test_decoding" EXPORT_SNAPSHOT',
    ],
    [
      { slot: 's', snapshot: 'use', serverVersion: 140_000 },
      'CREATE_REPLICATION_SLOT "s" LOGICAL "pgoutput" USE_SNAPSHOT',
    ],
    [
      { slot: 's', snapshot: 'nothing', failover: false, serverVersion: 140_000 },
      'CREATE_REPLICATION_SLOT "s" LOGICAL "pgoutput" NOEXPORT_SNAPSHOT',
    ],
  ])('is built for %j', (request, command) => expect(createSlotCommand(request)).toBe(command))

  test('refuses what the server cannot do', () => {
    const refusal = expect.objectContaining({ code: 'unsupported_option' })
    const request = { slot: 's', snapshot: 'use' } as const
    expect(() => createSlotCommand({ ...request, failover: true, serverVersion: 169_999 })).toThrow(refusal)
    expect(() => createSlotCommand({ ...request, twoPhase: true, serverVersion: 149_999 })).toThrow(refusal)
  })

  test('has an answer', () => {
    const columns = ['slot_name', 'consistent_point', 'snapshot_name', 'output_plugin']
    expect(readCreateSlot({ columns, rows: [['s', '0/16B3748', '00000003-00000002-1', 'pgoutput']] })).toEqual({
      slotName: 's',
      consistentPoint: 0x16b_3748n,
      snapshotName: '00000003-00000002-1',
      outputPlugin: 'pgoutput',
    })
    expect(readCreateSlot({ columns, rows: [['s', '0/016B3748', null, 'pgoutput']] })).toMatchObject({
      consistentPoint: 0x16b_3748n,
      snapshotName: undefined,
    })
    expect(() => readCreateSlot(undefined)).toThrow(refused)
    expect(() => readCreateSlot({ columns, rows: [] })).toThrow(refused)
    expect(() => readCreateSlot({ columns, rows: [['s', 'nonsense', null, null]] })).toThrow(refused)
    expect(() => readCreateSlot({ columns: [], rows: [[]] })).toThrow(refused)
  })
})

describe('START_REPLICATION', () => {
  test.each<[Partial<Parameters<typeof startReplicationCommand>[0]>, string]>([
    [{}, `START_REPLICATION SLOT "s" LOGICAL 0/0 (proto_version '1', publication_names '"p"')`],
    [
      { from: 0x16_b374_d848n, publications: ['a,b', `it's`, 'with "quotes"'], protoVersion: 4 },
      `START_REPLICATION SLOT "s" LOGICAL 16/B374D848 (proto_version '4', publication_names '"a,b","it''s","with ""quotes"""')`,
    ],
    [
      { binary: true, messages: true, streaming: 'parallel', twoPhase: false, origin: 'none' },
      `START_REPLICATION SLOT "s" LOGICAL 0/0 (proto_version '1', publication_names '"p"', binary 'true', messages 'true', streaming 'parallel', two_phase 'false', origin 'none')`,
    ],
    [{ slot: `s"'\\` }, `START_REPLICATION SLOT "s""'\\" LOGICAL 0/0 (proto_version '1', publication_names '"p"')`],
  ])('is built, example %#', (request, command) =>
    expect(startReplicationCommand({ slot: 's', from: 0n, publications: ['p'], protoVersion: 1, ...request })).toBe(
      command,
    ),
  )
})

describe('the other commands', () => {
  test('are built', () => {
    expect(dropSlotCommand('a"b')).toBe('DROP_REPLICATION_SLOT "a""b"')
    expect(dropSlotCommand('s', true)).toBe('DROP_REPLICATION_SLOT "s" WAIT')
    expect(timelineHistoryCommand(2)).toBe('TIMELINE_HISTORY 2')
    expect(showCommand('wal_sender_timeout')).toBe('SHOW "wal_sender_timeout"')
    expect(showCommand('my.setting')).toBe('SHOW "my"."setting"')
    for (const timeline of [0, -1, 1.5, 2 ** 32]) expect(() => timelineHistoryCommand(timeline)).toThrow()
    expect(() => showCommand('')).toThrow()
  })

  test('have answers', () => {
    const columns = ['systemid', 'timeline', 'xlogpos', 'dbname']
    expect(readIdentifySystem({ columns, rows: [['7340591234567890123', '2', '0/16B3748', 'shop']] })).toEqual({
      systemId: '7340591234567890123',
      timeline: 2,
      xlogpos: 0x16b_3748n,
      dbname: 'shop',
    })
    expect(readIdentifySystem({ columns, rows: [['1', '1', '0/1', null]] }).dbname).toBe(undefined)
    expect(() => readIdentifySystem({ columns, rows: [['1', 'x', '0/1', null]] })).toThrow(refused)
    expect(() => readIdentifySystem({ columns, rows: [[null, '1', '0/1', null]] })).toThrow(refused)
    expect(readShow({ columns: ['x'], rows: [['60s']] })).toBe('60s')
    expect(() => readShow({ columns: ['x'], rows: [] })).toThrow(refused)
    const content = Uint8Array.of(0xff, 0x0a)
    const filename = Buffer.from('00000002.history')
    expect(readTimelineHistoryFile({ columns: ['filename', 'content'], rows: [[filename, content]] })).toEqual({
      filename: '00000002.history',
      content,
    })
    expect(() => readTimelineHistoryFile({ columns: [], rows: [] })).toThrow(refused)
  })
})
