import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ErrorCode, WalwireError } from '../../src/protocol/messages/errors.ts'
import { formatLsn, parseLsn } from '../../src/protocol/messages/lsn.ts'
import type { ServerFacts } from '../../src/replication/catalog/server-facts.ts'
import type { TimelineSwitch } from '../../src/replication/catalog/timeline-history.ts'
import { comparePositions, type Position } from '../../src/replication/position.ts'
import type { SlotFacts } from '../../src/replication/slot/slot.ts'
import { planStart, type StartPlan, type StartRequest } from '../../src/replication/start.ts'

const primary: ServerFacts = {
  systemId: '7711150196567484235',
  timeline: 1,
  flushLsn: 0x1000n,
  insertLsn: 0x1100n,
  replayLsn: undefined,
  database: 'shop',
  version: 170_010,
  inRecovery: false,
  walLevel: 'logical',
  role: 'feeder',
  canReplicate: true,
  walSenderTimeoutMs: 60_000,
}
const standby: ServerFacts = { ...primary, inRecovery: true, insertLsn: undefined, replayLsn: 0x800n }

const slot: SlotFacts = {
  name: 'feed',
  type: 'logical',
  plugin: 'pgoutput',
  database: 'shop',
  temporary: false,
  activePid: undefined,
  restartLsn: 0x480n,
  confirmedFlush: 0x500n,
  walStatus: 'reserved',
  conflicting: false,
  invalidationReason: undefined,
  synced: false,
  twoPhase: false,
}

const position: Position = {
  version: 2,
  systemId: primary.systemId,
  timeline: 1,
  database: 'shop',
  slot: 'feed',
  consistentPoint: '0/400',
  options: { publications: ['goods', 'orders'] },
  phase: 'stream',
  lsn: '0/700',
}
const inside: Position = { ...position, tx: { commitLsn: '0/780', seq: 3 } }

const request: StartRequest = {
  start: undefined,
  slotName: 'feed',
  temporary: false,
  snapshot: 'initial',
  publications: ['orders', 'goods'],
  onLostSlot: 'fail',
}

interface Case {
  readonly request?: Partial<StartRequest>
  readonly server?: Partial<ServerFacts>
  readonly slot?: Partial<SlotFacts> | undefined
  readonly history?: readonly TimelineSwitch[]
}

function plan({ request: asked, server, slot: found, history }: Case): StartPlan {
  return planStart({ ...request, ...asked }, { ...primary, ...server }, found && { ...slot, ...found }, history ?? [])
}

function failure(given: Case): WalwireError {
  try {
    plan(given)
  } catch (error) {
    if (error instanceof WalwireError) return error
    throw error
  }
  throw new Error('a start was planned')
}

describe('a first run', () => {
  test('delivers a position of phase new before anything is made', () => {
    expect(plan({})).toEqual({
      kind: 'create',
      position: {
        version: 2,
        systemId: primary.systemId,
        timeline: 1,
        database: 'shop',
        slot: 'feed',
        options: { publications: ['goods', 'orders'] },
        phase: 'new',
        lsn: '0/1000',
      },
    })
  })

  test('lists each publication once, in alphabetical order', () => {
    const { position: first } = plan({ request: { publications: ['b', 'a', 'b'] } })
    expect(first.options.publications).toEqual(['a', 'b'])
  })

  test.each<[string, Partial<SlotFacts>, string]>([
    ['of walwire', {}, "start: 'slot'"],
    ['of another database', { database: 'bank' }, 'another name'],
    ['of another plugin', { plugin: 'test_decoding' }, 'another name'],
    ['that is physical', { type: 'physical', plugin: undefined, database: undefined }, 'another name'],
  ])('refuses a slot %s that exists', (_what, found, hint) => {
    const error = failure({ slot: found })
    expect(error).toMatchObject({ code: 'slot_exists', slot: 'feed' })
    expect(error.hint).toContain(hint)
  })

  test.each(['', 'Feed', 'my-feed', 'f'.repeat(64), 'fête'])('refuses the slot name %j', (slotName) => {
    expect(failure({ request: { slotName } }).code).toBe('bad_option')
  })
})

describe('a run that was cut off before its stream', () => {
  const fresh: Position = { ...position, phase: 'new' }
  const copying: Position = { ...position, phase: 'snapshot', lsn: '0/400' }

  test.each<[string, Position, Partial<SlotFacts> | undefined, boolean]>([
    ['before its slot was made', fresh, undefined, false],
    ['after its slot was made', fresh, {}, true],
    ['in the snapshot', copying, {}, true],
    ['in the snapshot, its slot dropped at its end', copying, undefined, false],
    // killed between making the slot anew and the first position of the new snapshot
    ['in the snapshot, whose slot was made anew since', copying, { confirmedFlush: 0x900n }, true],
    ['with a slot that was invalidated since', fresh, { walStatus: 'lost', confirmedFlush: 0x500n }, true],
  ])('begins again: %s', (_when, start, found, dropSlot) => {
    const planned = plan({ request: { start }, slot: found })
    expect(planned).toMatchObject({ kind: 'remake', dropSlot, position: { phase: 'new', lsn: '0/1000' } })
    expect(planned.position).not.toHaveProperty('consistentPoint')
  })

  test.each<[ErrorCode, Partial<SlotFacts>]>([
    ['slot_physical', { type: 'physical', plugin: undefined, database: undefined }],
    ['slot_plugin', { plugin: 'wal2json' }],
    ['slot_two_phase', { twoPhase: true }],
    ['slot_database', { database: 'bank' }],
  ])('never drops a slot that cannot be its own: %s', (code, found) => {
    expect(failure({ request: { start: fresh }, slot: found }).code).toBe(code)
    expect(failure({ request: { start: copying }, slot: found }).code).toBe(code)
  })

  test('the rest of a snapshot is not given up for snapshot: never', () => {
    expect(failure({ request: { start: copying, snapshot: 'never' } }).code).toBe('bad_option')
    expect(plan({ request: { start: fresh, snapshot: 'never' } }).kind).toBe('remake')
  })

  test('what was ever copied is counted on', () => {
    expect(plan({ request: { start: { ...copying, copied: 12 } }, slot }).position.copied).toBe(12)
  })

  test('on a standby it stands at what is replayed, which the slot begins behind', () => {
    expect(plan({ request: { start: fresh }, server: standby }).position.lsn).toBe('0/800')
  })

  test('a temporary slot can be made again', () => {
    expect(plan({ request: { start: copying, temporary: true } }).kind).toBe('remake')
  })
})

describe('a stored position', () => {
  test('is continued from exactly there', () => {
    expect(plan({ request: { start: position }, slot })).toEqual({
      kind: 'continue',
      from: 0x700n,
      skip: undefined,
      waitFor: undefined,
      position,
      confirmedFlush: undefined,
    })
  })

  test('inside a transaction is continued at the last whole one, and what was delivered is skipped', () => {
    expect(plan({ request: { start: inside }, slot })).toEqual({
      kind: 'continue',
      from: 0x700n,
      skip: { commitLsn: 0x780n, seq: 3 },
      waitFor: undefined,
      position: inside,
      confirmedFlush: undefined,
    })
  })

  test('may stand exactly where the slot does', () => {
    expect(plan({ request: { start: position }, slot: { confirmedFlush: 0x700n } }).kind).toBe('continue')
  })

  test('may come from a slot that walwire did not make', () => {
    const { consistentPoint: _, ...start } = position
    expect(plan({ request: { start }, slot }).position).toEqual(start)
  })

  test('keeps what the feed knows of its tables, and what was ever copied', () => {
    const start = { ...position, members: 'gggBA', copied: 12 }
    expect(plan({ request: { start }, slot }).position).toEqual(start)
  })

  test('of format 1 is continued as if it were of this one', () => {
    // a program gives what it has stored, whatever its type says
    const start: Position = JSON.parse(JSON.stringify({ ...inside, version: 1 }))
    expect(plan({ request: { start }, slot })).toEqual(plan({ request: { start: inside }, slot }))
  })

  test('takes on the publications of this run between two transactions', () => {
    const planned = plan({ request: { start: position, publications: ['other'] }, slot })
    expect(planned.position.options.publications).toEqual(['other'])
  })

  test.each<[string, ErrorCode, Case]>([
    ['no slot', 'slot_lost', { request: { start: position }, slot: undefined }],
    ['a physical slot', 'slot_physical', { slot: { type: 'physical', plugin: undefined, database: undefined } }],
    ['a slot of another plugin', 'slot_plugin', { slot: { plugin: 'test_decoding' } }],
    ['a slot of another database', 'slot_database', { slot: { database: 'bank' } }],
    ['an invalidated slot of 14 and 15', 'slot_invalidated', { slot: { walStatus: 'lost', restartLsn: undefined } }],
    ['an invalidated slot of 16', 'slot_invalidated', { slot: { conflicting: true } }],
    ['an invalidated slot of 17 and later', 'slot_invalidated', { slot: { invalidationReason: 'rows_removed' } }],
    ["a standby's copy of the primary's slot", 'slot_synchronized', { slot: { synced: true }, server: standby }],
    ['a slot that is being made', 'slot_active', { slot: { confirmedFlush: undefined, activePid: 17 } }],
    ['a slot that was moved on', 'gap', { slot: { confirmedFlush: 0x701n } }],
    ['a slot that was made anew', 'gap', { slot: { confirmedFlush: 0x900n, restartLsn: 0x8c8n } }],
    ['a copy of an older slot', 'slot_recreated', { slot: { confirmedFlush: 0x3ffn } }],
    ['a server that has less WAL', 'position_ahead', { slot: {}, server: { flushLsn: 0x6ffn, insertLsn: 0x2000n } }],
    ['another system', 'other_system', { slot: {}, server: { systemId: '1' } }],
    ['another database', 'other_database', { slot: {}, server: { database: 'bank' } }],
    ['another slot', 'other_slot', { slot: {}, request: { slotName: 'other' } }],
    ['a temporary slot', 'bad_option', { slot: {}, request: { temporary: true } }],
    ['snapshot: only', 'bad_option', { slot: {}, request: { snapshot: 'only' } }],
    [
      'a timeline ahead of the server',
      'timeline_diverged',
      { slot: {}, request: { start: { ...position, timeline: 2 } } },
    ],
  ])('is refused with %s', (_what, code, given) => {
    expect(failure({ ...given, request: { start: position, ...given.request } }).code).toBe(code)
  })

  test('a gap names both LSNs', () => {
    const error = failure({ request: { start: position }, slot: { confirmedFlush: 0x9ffn } })
    expect(error.message).toContain('0/700')
    expect(error.message).toContain('0/9FF')
    expect(error).toMatchObject({ slot: 'feed', lsn: '0/700' })
    expect(error.message).not.toContain('made anew')
    const keepsNothing = failure({ request: { start: position }, slot: { confirmedFlush: 0x9ffn, restartLsn: 0x800n } })
    expect(keepsNothing.message).toContain('made anew')
  })

  test('a slot that is being made, and a standby that has yet to follow, may serve later', () => {
    expect(failure({ request: { start: position }, slot: { confirmedFlush: undefined } }).retryable).toBe(true)
    const ahead = { request: { start: { ...position, timeline: 2 } }, slot }
    expect(failure(ahead).retryable).toBe(false)
    expect(failure({ ...ahead, server: standby }).retryable).toBe(true)
  })

  test('a synchronized slot serves after the promotion', () => {
    expect(plan({ request: { start: position }, slot: { synced: true } }).kind).toBe('continue')
  })

  test.each<[string, unknown]>([
    ['is not one', 12],
    ['has no LSN', { ...position, lsn: undefined }],
    ['is of a later release', { ...position, version: 3 }],
  ])('is refused when it %s', (_what, start) => {
    // what comes out of a caller's storage can be anything
    const given: StartRequest = JSON.parse(JSON.stringify({ ...request, start }))
    expect(() => planStart(given, primary, slot, [])).toThrow(expect.objectContaining({ code: 'position_malformed' }))
  })

  describe('inside a transaction', () => {
    test.each([[['goods']], [['goods', 'orders', 'more']], [['goods', 'others']]])(
      'is incompatible with the publications %j',
      (publications) => {
        const error = failure({ request: { start: inside, publications }, slot })
        expect(error.code).toBe('position_incompatible')
        expect(error.message).toContain('goods, orders')
      },
    )

    test.each([
      ['two-phase commit', { twoPhase: true }],
      ['the origin none', { origin: 'none' }],
    ] as const)('is incompatible without %s under which it was counted', (what, counted) => {
      const start = { ...inside, options: { ...inside.options, ...counted } }
      const error = failure({ request: { start }, slot })
      expect(error.code).toBe('position_incompatible')
      expect(error.message).toContain(what)
    })

    test('is ahead of a server that has not got its commit', () => {
      expect(failure({ request: { start: inside }, slot, server: { flushLsn: 0x77fn } }).code).toBe('position_ahead')
    })
  })

  describe('on a standby', () => {
    test('is waited for until it is replayed', () => {
      expect(plan({ request: { start: position }, slot, server: { ...standby, replayLsn: 0x6ffn } })).toMatchObject({
        kind: 'continue',
        waitFor: 0x700n,
      })
      expect(plan({ request: { start: inside }, slot, server: { ...standby, replayLsn: 0x700n } })).toMatchObject({
        waitFor: 0x780n,
      })
      expect(plan({ request: { start: position }, slot, server: standby })).toMatchObject({ waitFor: undefined })
    })
  })

  describe('of an earlier timeline', () => {
    const server = { ...primary, timeline: 3 }
    const history = (end: bigint) => [
      { timeline: 1, end },
      { timeline: 2, end: end + 0x100n },
    ]

    test.each<[string, bigint, Position]>([
      ['before the switch', 0x701n, position],
      ['at the switch', 0x700n, position],
      ['inside a transaction that committed before the switch', 0x781n, inside],
    ])('is continued %s', (_where, end, start) => {
      const planned = plan({ request: { start }, slot, server, history: history(end) })
      expect(planned).toMatchObject({ kind: 'continue', from: 0x700n, position: { timeline: 3 } })
    })

    test.each<[string, Position, readonly TimelineSwitch[]]>([
      ['past the switch', position, history(0x6ffn)],
      ['inside a transaction whose commit is not part of the new timeline', inside, history(0x780n)],
      ['that is no ancestor', { ...position, timeline: 2 }, [{ timeline: 1, end: 0x900n }]],
    ])('is refused %s', (_where, start, branches) => {
      const error = failure({ request: { start }, slot, server, history: branches })
      expect(error).toMatchObject({ code: 'timeline_diverged', lsn: '0/700' })
    })
  })
})

describe('an LSN', () => {
  test.each(['0/700', '0/00000700', 0x700n])('%s is continued from without an identity', (start) => {
    expect(plan({ request: { start }, slot })).toEqual({
      kind: 'continue',
      from: 0x700n,
      skip: undefined,
      waitFor: undefined,
      position: {
        version: 2,
        systemId: primary.systemId,
        timeline: 1,
        database: 'shop',
        slot: 'feed',
        options: { publications: ['goods', 'orders'] },
        phase: 'stream',
        lsn: '0/700',
      },
      confirmedFlush: 0x500n,
    })
  })

  test.each<[string, ErrorCode, Case]>([
    ['no slot', 'slot_lost', { slot: undefined }],
    ['a slot past it', 'gap', { slot: { confirmedFlush: 0x701n } }],
    ['a slot of another database', 'slot_database', { slot: { database: 'bank' } }],
    ['an invalidated slot', 'slot_invalidated', { slot: { walStatus: 'lost' } }],
    [
      'a server whose WAL ends before it',
      'position_ahead',
      { slot: {}, server: { flushLsn: 0x600n, insertLsn: 0x6ffn } },
    ],
    ['a temporary slot', 'bad_option', { slot: {}, request: { temporary: true } }],
  ])('is refused with %s', (_what, code, given) => {
    expect(failure({ ...given, request: { start: '0/700', ...given.request } }).code).toBe(code)
  })

  test.each(['', 'slots', '700', '0/123456789', '0/G', -1n, 1n << 64n])('%s is not one', (start) => {
    expect(failure({ request: { start }, slot }).code).toBe('bad_option')
  })

  test('0/0 is a gap, where the server would take it for the slot', () => {
    expect(failure({ request: { start: '0/0' }, slot }).code).toBe('gap')
  })

  test('that the primary has written but not flushed is waited for', () => {
    const server = { flushLsn: 0x600n, insertLsn: 0x700n }
    expect(plan({ request: { start: '0/700' }, slot, server })).toMatchObject({ kind: 'continue', waitFor: 0x700n })
  })
})

describe("start: 'slot'", () => {
  test('continues where the slot stands', () => {
    expect(plan({ request: { start: 'slot' }, slot })).toMatchObject({
      kind: 'continue',
      from: 0x500n,
      skip: undefined,
      position: { phase: 'stream', lsn: '0/500' },
      confirmedFlush: 0x500n,
    })
  })

  test('waits where the slot was moved on since the server was asked', () => {
    const planned = plan({ request: { start: 'slot' }, slot: { confirmedFlush: 0x1200n } })
    expect(planned).toMatchObject({ kind: 'continue', waitFor: 0x1200n })
  })

  test.each<[ErrorCode, Partial<SlotFacts> | undefined]>([
    ['slot_lost', undefined],
    ['slot_plugin', { plugin: 'test_decoding' }],
    ['slot_invalidated', { invalidationReason: 'idle_timeout' }],
  ])('is refused with %s', (code, found) => {
    expect(failure({ request: { start: 'slot' }, slot: found }).code).toBe(code)
  })
})

describe('a feed that is to begin anew where its slot is lost', () => {
  const renewing = { start: position, onLostSlot: 'resnapshot' } as const
  const asked = { ...renewing, start: { ...position, copied: 12, members: 'gggB6lgBMC' } }

  test.each<[string, Partial<SlotFacts> | undefined, ErrorCode]>([
    ['gone', undefined, 'slot_lost'],
    ['without its WAL, on 14 to 16', { walStatus: 'lost', restartLsn: undefined }, 'slot_invalidated'],
    ['given up by a standby of 16', { conflicting: true }, 'slot_invalidated'],
    ['given up, from 17 on', { invalidationReason: 'idle_timeout' }, 'slot_invalidated'],
  ])('does, where it is %s: behind all that was delivered, and counting on', (_how, found, code) => {
    const planned = plan({ request: asked, slot: found })
    expect(planned).toMatchObject({
      kind: 'renew',
      refusal: { code },
      dropSlot: found !== undefined,
      waitFor: undefined,
    })
    expect(planned.position).toMatchObject({ phase: 'new', lsn: '0/1000', copied: 12 })
    expect(planned.position).not.toHaveProperty('members')
    expect(planned.position).not.toHaveProperty('consistentPoint')
    expect(comparePositions(planned.position, asked.start)).toBeGreaterThan(0)
    expect(failure({ request: { start: position }, slot: found }).code).toBe(code)
  })

  test('stands behind its position even where the server has written nothing since', () => {
    const start: Position = { ...position, lsn: '0/1000', consistentPoint: '0/1000' }
    const planned = plan({ request: { ...renewing, start }, slot: undefined })
    expect(planned.position.lsn).toBe('0/1001')
    expect(comparePositions(planned.position, start)).toBeGreaterThan(0)
  })

  test('waits for a standby to be where the feed was', () => {
    const behind: ServerFacts = { ...standby, replayLsn: 0x500n }
    expect(plan({ request: renewing, server: behind, slot: undefined })).toMatchObject({
      kind: 'renew',
      waitFor: 0x700n,
    })
  })

  test.each<[ErrorCode, Omit<Case, 'request'> & { start?: StartRequest['start'] }]>([
    ['other_system', { start: { ...position, systemId: '1' }, slot: undefined }],
    ['other_database', { start: { ...position, database: 'bank' }, slot: undefined }],
    ['other_slot', { start: { ...position, slot: 'other' }, slot: undefined }],
    ['timeline_diverged', { server: { timeline: 2 }, history: [{ timeline: 1, end: 0x600n }], slot: undefined }],
    ['position_ahead', { server: { flushLsn: 0x600n, insertLsn: 0x600n }, slot: undefined }],
    ['slot_recreated', { slot: { confirmedFlush: 0x3ffn } }],
    ['gap', { slot: { confirmedFlush: 0x701n } }],
    ['slot_plugin', { slot: { plugin: 'wal2json', walStatus: 'lost' } }],
    ['slot_physical', { slot: { type: 'physical', plugin: undefined, database: undefined, walStatus: 'lost' } }],
    ['slot_database', { slot: { database: 'bank', walStatus: 'lost' } }],
    ['slot_two_phase', { slot: { twoPhase: true, walStatus: 'lost' } }],
    ['slot_synchronized', { slot: { synced: true, walStatus: 'lost' }, server: standby }],
    // nothing tells whether these are of this system
    ['slot_lost', { start: '0/700', slot: undefined }],
    ['slot_invalidated', { start: 'slot', slot: { walStatus: 'lost' } }],
  ])('does not for %s', (code, { start = position, slot: found, ...given }) => {
    expect(failure({ request: { ...renewing, start }, ...given, slot: found }).code).toBe(code)
  })

  test('goes on where the slot is there', () => {
    expect(plan({ request: renewing, slot })).toMatchObject({ kind: 'continue', from: 0x700n })
  })
})

describe('whatever was stored and whatever is found', () => {
  const lsn = fc.bigInt({ min: 0n, max: 12n })
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
  const slots = fc.record({
    confirmedFlush: maybe(lsn),
    restartLsn: maybe(lsn),
    walStatus: fc.constantFrom('reserved', 'lost', undefined),
    plugin: fc.constantFrom('pgoutput', 'test_decoding'),
    synced: fc.boolean(),
  })
  const servers = fc.record({
    timeline: fc.integer({ min: 1, max: 3 }),
    flushLsn: lsn,
    insertLsn: lsn,
    replayLsn: lsn,
    inRecovery: fc.boolean(),
  })
  const positions = fc.record({
    timeline: fc.integer({ min: 1, max: 3 }),
    phase: fc.constantFrom('new' as const, 'snapshot' as const, 'stream' as const),
    lsn: lsn.map(formatLsn),
    consistentPoint: lsn.map(formatLsn),
    tx: maybe(fc.record({ commitLsn: lsn.map(formatLsn), seq: fc.nat(5) })),
  })
  const starts = fc.oneof(
    positions.map(({ tx, ...rest }): Position => ({ ...position, ...rest, ...(tx === undefined ? {} : { tx }) })),
    lsn,
    fc.constant('slot' as const),
    fc.constant(undefined),
  )
  const renewal = fc.constantFrom('fail' as const, 'resnapshot' as const)
  const histories = fc.tuple(lsn, lsn).map(([a, b]) => [
    { timeline: 1, end: a },
    { timeline: 2, end: a + b },
  ])

  test('a plan never leaves a gap, and never overlooks what is there', () => {
    fc.assert(
      fc.property(starts, servers, maybe(slots), histories, renewal, (start, facts, found, history, onLostSlot) => {
        const server: ServerFacts = {
          ...primary,
          ...facts,
          insertLsn: facts.inRecovery ? undefined : facts.flushLsn + facts.insertLsn,
          replayLsn: facts.inRecovery ? facts.replayLsn : undefined,
        }
        const known = found && { ...slot, ...found }
        let planned: StartPlan
        try {
          planned = planStart({ ...request, start, onLostSlot }, server, known, history)
        } catch (error) {
          if (!(error instanceof WalwireError)) throw error
          return
        }
        expect(planned.position).toMatchObject({ slot: 'feed', timeline: server.timeline, systemId: primary.systemId })
        if (planned.kind === 'create') {
          expect(start).toBeUndefined()
          expect(known).toBeUndefined()
          return
        }
        if (planned.kind === 'remake') {
          // only what never acknowledged anything is begun again
          expect(start).toMatchObject({ phase: expect.stringMatching('new|snapshot') })
          expect(planned.dropSlot).toBe(known !== undefined)
          if (known !== undefined) expect(known.plugin).toBe('pgoutput')
          return
        }
        if (planned.kind === 'renew') {
          // asked for, of this system, and lost: never one that can be decoded from
          expect(onLostSlot).toBe('resnapshot')
          expect(start).toMatchObject({ phase: 'stream' })
          expect(planned.dropSlot).toBe(known !== undefined)
          if (known !== undefined) expect(known).toMatchObject({ walStatus: 'lost', plugin: 'pgoutput' })
          if (typeof start !== 'object' || parseLsn(start.lsn) < parseLsn(start.consistentPoint ?? '0/0')) return
          expect(comparePositions(planned.position, start)).toBeGreaterThan(0)
          return
        }
        // the server would silently start at confirmed_flush
        expect(known?.confirmedFlush).toBeLessThanOrEqual(planned.from)
        expect(known?.walStatus).not.toBe('lost')
        expect(planned.position.lsn).toBe(formatLsn(planned.from))
        const furthest = planned.skip && planned.skip.commitLsn > planned.from ? planned.skip.commitLsn : planned.from
        // the server would silently skip commits below a start past its end
        const end = server.replayLsn ?? server.flushLsn
        expect(furthest > end).toBe(planned.waitFor !== undefined)
        if (planned.waitFor !== undefined) expect(planned.waitFor).toBe(furthest)
        if (typeof start !== 'object') return
        expect(start.phase).toBe('stream')
        expect(planned.from).toBe(parseLsn(start.lsn))
        expect(planned.position.consistentPoint).toBe(start.consistentPoint)
        expect(planned.position.tx).toEqual(start.tx)
        // on a primary a stored position is never past what is flushed
        if (!server.inRecovery) expect(planned.waitFor).toBeUndefined()
        if (start.timeline !== server.timeline) {
          expect(start.timeline).toBeLessThan(server.timeline)
          expect(furthest).toBeLessThanOrEqual(history.find((entry) => entry.timeline === start.timeline)?.end ?? -1n)
        }
      }),
      { numRuns: 5_000 },
    )
  })
})
