import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatLsn, parseLsn } from '../../src/protocol/messages/lsn.ts'
import { comparePositions, flushLsn, type Position, parsePosition } from '../../src/replication/position.ts'
import { law } from '../property.ts'
import format1 from './stored-positions/format-1.json' with { type: 'json' }

/** A position of one feed, in the middle of its stream where nothing else is said. */
function position(differing: Partial<Position> = {}): Position {
  return {
    version: 2,
    systemId: '7412345678901234567',
    timeline: 1,
    database: 'shop',
    slot: 'shop_feed',
    consistentPoint: '0/100',
    options: { publications: ['shop'] },
    phase: 'stream',
    lsn: '0/200',
    ...differing,
  }
}

const anyLsnText = fc
  .oneof(fc.bigInt(0n, 0x20n), fc.bigInt(0xffff_fff0n, 0x1_0000_0010n), fc.bigInt(0n, 2n ** 64n - 1n))
  .map(formatLsn)
const count = fc.nat(3)

/** Positions of one feed, near enough to each other that many share all but one field. */
const anyPosition: fc.Arbitrary<Position> = fc.oneof(
  fc.record({ lsn: anyLsnText }).map(({ lsn }) => {
    const { consistentPoint: _, ...rest } = position({ phase: 'new', lsn })
    return rest
  }),
  fc
    .record({
      consistentPoint: anyLsnText,
      lsn: anyLsnText,
      tables: fc.record(
        {
          done: fc.constantFrom('public.orders:gggBA', '"a,b".c:gggBA,public.lines:CC@0/100'),
          copying: fc.array(
            fc.record({
              oid: fc.integer({ min: 16_384, max: 16_390 }),
              schema: fc.constant('public'),
              name: fc.constantFrom('orders', 'lines'),
              at: anyLsnText,
              rows: count,
            }),
            { maxLength: 3 },
          ),
        },
        { requiredKeys: [] },
      ),
      copied: count,
    })
    .map((fields) => position({ phase: 'snapshot', ...fields })),
  fc
    .record({
      consistentPoint: anyLsnText,
      lsn: anyLsnText,
      tx: fc.option(fc.record({ commitLsn: anyLsnText, seq: fc.integer({ min: 1, max: 4 }) })),
      copied: fc.option(count),
      members: fc.option(fc.constantFrom('', 'gggBA', 'gggBAMC')),
    })
    .map(({ consistentPoint, lsn, tx, copied, members }) =>
      position({
        consistentPoint,
        lsn,
        ...(tx === null ? {} : { tx }),
        ...(copied === null ? {} : { copied }),
        ...(members === null ? {} : { members }),
      }),
    ),
)

/** The same, of slots that walwire made and of slots that it did not. */
const positionOfAnySlot = fc.tuple(anyPosition, fc.boolean()).map(([given, known]): Position => {
  const { consistentPoint: _, ...rest } = given
  return known ? given : rest
})

const stored = (given: Position): unknown => JSON.parse(JSON.stringify(given))

describe('a stored position', () => {
  law(
    'is the same position when it is read back',
    fc.property(anyPosition, (given) => {
      const read = parsePosition(stored(given))
      expect(read).toEqual(given)
      expect(comparePositions(read, given)).toBe(0)
      expect(flushLsn(read)).toBe(flushLsn(given))
    }),
  )

  const empty = {}
  const junk: readonly unknown[] = [
    undefined,
    null,
    true,
    -1,
    0.5,
    1e300,
    Number.NaN,
    7n,
    '',
    'x',
    '0/',
    [],
    [1],
    empty,
  ]
  const junkFor: Record<keyof Position, readonly unknown[]> = {
    version: [...junk, 0, '1'].filter((value) => typeof value !== 'number' || !(value > 1)),
    systemId: [...junk, 1, '-1', '1.5', '123456789012345678901'],
    timeline: [...junk, '1'],
    database: junk.filter((value) => typeof value !== 'string' || value === ''),
    slot: junk.filter((value) => typeof value !== 'string' || value === ''),
    consistentPoint: [...junk.filter((value) => value !== undefined), '0/123456789', '16/B374D848 '],
    options: [
      ...junk,
      { publications: 'shop' },
      { publications: [''] },
      { publications: [1] },
      { publications: null },
      { publications: ['shop'], twoPhase: false },
      { publications: ['shop'], origin: '' },
    ],
    phase: [...junk, 'Stream', 'streams', 0],
    lsn: [...junk, '0/123456789', '16-B374D848', 'G/0', ' 0/1', '0/1\n'],
    tx: [
      ...junk.filter((value) => value !== undefined),
      { commitLsn: '0/1' },
      { seq: 1 },
      { commitLsn: 1n, seq: 1 },
      { commitLsn: '0/1', seq: -1 },
      { commitLsn: '0/1', seq: 0 },
      { commitLsn: '0/1', seq: 1.5 },
      { commitLsn: '0/1', seq: '1' },
    ],
    // a snapshot that has delivered nothing of a table yet
    tables: [
      ...junk.filter((value) => value !== undefined && value !== empty),
      [],
      { done: 7 },
      { done: 'public.orders:A' },
      { done: ',' },
      { copying: { oid: 1, schema: 'a', name: 'b', at: '0/1', rows: 0 } },
      { copying: [{ oid: 1, schema: 'a', name: 'b', at: '0/1', rows: -1 }] },
      { copying: [{ oid: 1, schema: 'a', name: 'b', at: 'x', rows: 0 }] },
      { copying: [{ oid: 1, schema: '', name: 'b', at: '0/1', rows: 0 }] },
      { copying: [{ oid: '1', schema: 'a', name: 'b', at: '0/1', rows: 0 }] },
      { copying: [null] },
    ],
    members: [...junk.filter((value) => value !== undefined && value !== ''), 'A', 'AA=', 'B', 'CCDD', 'gggBA,'],
    copied: [...junk.filter((value) => value !== undefined), '1'],
  }
  const mutations = Object.entries(junkFor).flatMap(([field, values]) => values.map((value) => ({ field, value })))

  test('is refused with the name of the field that is not what it must be', () => {
    for (const { field, value } of mutations) {
      const refuse = () => parsePosition({ ...position(), [field]: value })
      expect(refuse, `${field}: ${String(value)}`).toThrow(
        expect.objectContaining({ code: 'position_malformed', why: expect.stringContaining(`field ${field} `) }),
      )
    }
  })

  law(
    'is refused, and nothing worse happens, whatever became of its fields',
    fc.property(
      anyPosition,
      fc.array(fc.constantFrom(...mutations), { minLength: 1, maxLength: 3 }),
      (given, changes) => {
        const changed = Object.fromEntries([
          ...Object.entries(given),
          ...changes.map(({ field, value }) => [field, value]),
        ])
        expect(() => parsePosition(changed)).toThrow(expect.objectContaining({ code: 'position_malformed' }))
      },
    ),
  )

  test('of a newer release is refused with what to do about it', () => {
    expect(() => parsePosition({ ...position(), version: 3, phase: 'something new' })).toThrow(
      expect.objectContaining({
        code: 'position_malformed',
        why: 'it has format version 3, this release knows up to 2',
        hint: 'use the release of walwire that wrote it, or a newer one',
      }),
    )
  })

  test.each([undefined, null, 0, 7n, '0/200', true, Symbol('position'), () => position(), [], [position()]])(
    'is an object, not %o',
    (value) => {
      expect(() => parsePosition(value)).toThrow(
        expect.objectContaining({ code: 'position_malformed', why: 'it is not an object' }),
      )
    },
  )

  test('with an LSN as a bigint, the form that it has everywhere else, is refused by its name', () => {
    expect(() => parsePosition({ ...position(), lsn: 512n })).toThrow(
      expect.objectContaining({ code: 'position_malformed', why: 'its field lsn is "512n"' }),
    )
  })

  test('with a field that refers to itself is refused by its name', () => {
    const options: { publications?: unknown } = {}
    options.publications = options
    expect(() => parsePosition({ ...position(), options })).toThrow(
      expect.objectContaining({ code: 'position_malformed', why: expect.stringContaining('field options ') }),
    )
  })

  test('stays under 1 kB once the snapshot is over, with the longest names and LSNs', () => {
    const longest = 'ü'.repeat(31).concat('"')
    const publications = [1, 2, 3, 4].map((number) => `${longest.slice(1)}${number}`)
    const largest = position({
      systemId: '18446744073709551615',
      timeline: 2 ** 32 - 1,
      database: longest,
      slot: 's'.repeat(63),
      consistentPoint: 'FFFFFFFF/FFFFFFFF',
      options: { publications },
      lsn: 'FFFFFFFF/FFFFFFFF',
      tx: { commitLsn: 'FFFFFFFF/FFFFFFFF', seq: Number.MAX_SAFE_INTEGER },
    })
    expect(parsePosition(stored(largest))).toEqual(largest)
    expect(Buffer.byteLength(JSON.stringify(largest))).toBeLessThan(1000)
  })
})

describe('a position of format 1', () => {
  test.each(Object.entries(format1))('is read for ever, as the same place: %s', (_, given) => {
    const read = parsePosition(given)
    const { version, tables, ...rest } = { tables: undefined, ...given }
    expect(version).toBe(1)
    expect(read).toMatchObject({ ...rest, version: 2 })
    expect(read).not.toHaveProperty('members')
    expect(read.tables === undefined).toBe(tables === undefined)
    // what is stored next is format 2, and stays what it is
    expect(parsePosition(stored(read))).toEqual(read)
    expect(comparePositions(read, parsePosition(stored(read)))).toBe(0)
  })

  test('in a snapshot says by name what the consumer holds, and counts what came', () => {
    const read = parsePosition(format1.snapshot)
    expect(read.tables).toEqual({
      // the schema was odd "names".ü, which format 1 does not say
      done: '"odd ""names"""."ü.a, b: c@d":yggBA,public.addresses:PA',
      copying: [{ oid: 16_398, schema: 'public', name: 'orders', at: '0/1905448', rows: 2 }],
    })
    // begin, rows and end of two tables, begin and rows of a third
    expect(read.copied).toBe(3 + 2 + 7 + 2 + 2 + 1)
  })

  test('comes in the order in which it was delivered', () => {
    const { new: first, snapshot, stream } = format1
    const inOrder = [first, snapshot, format1['stream, at the end of the copy'], stream].map(parsePosition)
    inOrder.push(parsePosition(format1['stream, inside a transaction']))
    for (const [index, after] of inOrder.entries()) {
      for (const before of inOrder.slice(0, index)) expect(comparePositions(before, after)).toBeLessThan(0)
    }
  })

  const samples = Object.values(format1)
  test.each(['systemId', 'timeline', 'database', 'slot', 'options', 'phase', 'lsn'])(
    'without its %s is none',
    (field) => {
      for (const sample of samples) {
        const { [field]: _, ...rest }: Record<string, unknown> = sample
        expect(() => parsePosition(rest)).toThrow(
          expect.objectContaining({ code: 'position_malformed', why: `its field ${field} is missing` }),
        )
      }
    },
  )

  const table = { oid: 1, table: 'a.b', at: '0/1', rows: 0, state: 'done' }
  test.each([
    ['no list', { done: 'a.b' }],
    ['a number in it', [7]],
    ['an unknown state', [{ ...table, state: 'lost' }]],
    ['a negative count', [{ ...table, rows: -1 }]],
    ['no LSN', [{ ...table, at: 'x' }]],
    ['no name', [{ ...table, table: '' }]],
    ['an OID that is a text', [{ ...table, oid: '1' }]],
  ])('is refused with the name of the field: tables with %s', (_, tables) => {
    expect(() => parsePosition({ ...format1.snapshot, tables })).toThrow(
      expect.objectContaining({ code: 'position_malformed', why: expect.stringContaining('field tables ') }),
    )
  })
})

type Step =
  | { readonly kind: 'copy' | 'commit' | 'split'; readonly by: number }
  | { readonly kind: 'attempt' | 'follow' | 'restart' | 'lose' | 'from an LSN'; readonly by: number }
const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('copy', 'copy', 'commit', 'split', 'attempt', 'follow', 'restart', 'lose', 'from an LSN'),
  by: fc.integer({ min: 1, max: 3 }),
})

/** What a feed delivers in its life, over several slots: a model of all that moves a position. */
class Path {
  readonly delivered: Position[] = []
  /** The end of WAL. */
  #now = 0xffff_fff0n
  #at: Position = position({ phase: 'new', lsn: '0/0' })

  constructor() {
    this.#lose()
  }

  take({ kind, by }: Step): void {
    const { phase, lsn, tx, copied = 0 } = this.#at
    this.#now += 16n
    if (kind === 'lose') this.#lose()
    // another run: whatever is before the stream begins anew, at another slot
    else if (phase === 'new' || (phase === 'snapshot' && (kind === 'attempt' || kind === 'restart'))) {
      const begin = formatLsn(this.#now)
      this.#deliver({ phase: 'snapshot', consistentPoint: begin, lsn: begin, copied: copied + by })
    } else if (kind === 'copy') this.#deliver({ copied: copied + by })
    else if (phase === 'snapshot') this.#deliver({ phase: 'stream' })
    else if (kind === 'commit') this.#deliver({ lsn: formatLsn(this.#now), tx: undefined })
    else if (kind === 'split') {
      const commitLsn = tx?.commitLsn ?? formatLsn(parseLsn(lsn) + BigInt(by))
      this.#deliver({ tx: { commitLsn, seq: (tx?.seq ?? 0) + by } })
    } else if (kind === 'from an LSN') {
      this.#deliver({ consistentPoint: undefined, tx: undefined, copied: undefined, lsn: formatLsn(this.#now) })
    }
  }

  /** The slot is gone, and a first run begins. */
  #lose(): void {
    this.#deliver({
      phase: 'new',
      consistentPoint: undefined,
      tx: undefined,
      copied: undefined,
      lsn: formatLsn(this.#now),
    })
  }

  #deliver(moved: { readonly [Field in keyof Position]?: Position[Field] | undefined }): void {
    this.#at = parsePosition(JSON.parse(JSON.stringify({ ...this.#at, ...moved })))
    this.delivered.push(this.#at)
  }
}

describe('positions of one feed', () => {
  law(
    'are in one order: a before b makes b after a, and what is before is also before whatever is after',
    fc.property(positionOfAnySlot, positionOfAnySlot, positionOfAnySlot, (a, b, c) => {
      expect(comparePositions(a, a)).toBe(0)
      expect(Math.sign(comparePositions(a, b))).toBe(0 - Math.sign(comparePositions(b, a)))
      if (comparePositions(a, b) <= 0 && comparePositions(b, c) <= 0) {
        expect(comparePositions(a, c)).toBeLessThanOrEqual(0)
      }
      if (comparePositions(a, b) === 0) {
        expect(Math.sign(comparePositions(a, c))).toBe(Math.sign(comparePositions(b, c)))
      }
    }),
    1000,
  )

  law(
    'come in that order on every path: copied, begun anew, followed, copied beside the stream, restarted, lost',
    fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
      const path = new Path()
      for (const step of steps) path.take(step)
      for (const [index, after] of path.delivered.entries()) {
        for (const before of path.delivered.slice(0, index)) {
          expect(comparePositions(before, after), JSON.stringify([before, after])).toBeLessThan(0)
        }
      }
    }),
    300,
  )

  test.each<[string, Position, Position]>([
    [
      'before the slot is made, and while tables are copied',
      position({ phase: 'new' }),
      position({ phase: 'snapshot' }),
    ],
    ['while tables are copied, and after that', position({ phase: 'snapshot' }), position()],
    ['at two LSNs', position({ lsn: '0/200' }), position({ lsn: '0/201' })],
    ['at two LSNs whose texts are in another order', position({ lsn: '0/9' }), position({ lsn: '0/10' })],
    ['below and above 4 GB', position({ lsn: '0/FFFFFFFF' }), position({ lsn: '1/0' })],
    ['before and inside a transaction', position(), position({ tx: { commitLsn: '0/300', seq: 1 } })],
    [
      'inside one transaction, after 9 changes and after 10',
      position({ tx: { commitLsn: '0/300', seq: 9 } }),
      position({ tx: { commitLsn: '0/300', seq: 10 } }),
    ],
    [
      'inside one transaction after all its changes, and after it',
      position({ tx: { commitLsn: '0/300', seq: 10 } }),
      position({ lsn: '0/320' }),
    ],
    [
      'inside one transaction and inside the next',
      position({ tx: { commitLsn: '0/300', seq: 10 } }),
      position({ lsn: '0/320', tx: { commitLsn: '0/400', seq: 1 } }),
    ],
    [
      'inside two transactions, with no whole one between',
      position({ tx: { commitLsn: '0/300', seq: 10 } }),
      position({ tx: { commitLsn: '0/400', seq: 1 } }),
    ],
    [
      'before and after an event of a copy',
      position({ phase: 'snapshot', copied: 9 }),
      position({ phase: 'snapshot', copied: 10 }),
    ],
    ['before and after the first event of a copy beside the stream', position(), position({ copied: 1 })],
    [
      'in and after a copy beside the stream',
      position({ copied: 9, tables: { copying: [{ oid: 16_384, schema: 'a', name: 'b', at: '0/200', rows: 8 }] } }),
      position({ copied: 10 }),
    ],
    ['after a copy beside the stream and at the next commit', position({ copied: 10 }), position({ lsn: '0/220' })],
    [
      'inside a transaction, before and after an event of a copy',
      position({ tx: { commitLsn: '0/300', seq: 1 }, copied: 9 }),
      position({ tx: { commitLsn: '0/300', seq: 1 }, copied: 10 }),
    ],
    ['before a slot is made and in the copy at it', position({ phase: 'new' }), position({ phase: 'snapshot' })],
    [
      'at the end of a stream and, in a slot that was made anew after it, at the begin of a copy',
      position({ lsn: '0/FFF' }),
      position({ consistentPoint: '0/1000', phase: 'snapshot', lsn: '0/1000' }),
    ],
  ])('are apart %s', (_, before, after) => {
    expect(comparePositions(before, after)).toBeLessThan(0)
    expect(comparePositions(after, before)).toBeGreaterThan(0)
  })

  test('of a slot that walwire did not make stand as if it began there: behind earlier slots, before later ones', () => {
    const { consistentPoint: _, ...unknown } = position({ lsn: '0/300' })
    expect(comparePositions(position({ lsn: '0/200' }), unknown)).toBeLessThan(0)
    expect(comparePositions(unknown, { ...unknown, lsn: '0/301' })).toBeLessThan(0)
    expect(comparePositions(unknown, position({ consistentPoint: '0/400', lsn: '0/400' }))).toBeLessThan(0)
  })

  test('that differ in the padding of an LSN alone are the same place (trap 18: PostgreSQL 19 pads)', () => {
    expect(comparePositions(position({ lsn: '0/200' }), position({ lsn: '00000000/00000200' }))).toBe(0)
  })
})

test.each([
  ['system', { systemId: '1' }],
  ['database', { database: 'archive' }],
  ['slot', { slot: 'other_feed' }],
])('positions of feeds that differ in their %s cannot be compared', (_, differing) => {
  expect(() => comparePositions(position(), position(differing))).toThrow(
    expect.objectContaining({ code: 'position_incompatible' }),
  )
})

describe('the server may forget', () => {
  test.each<[string, Position, bigint]>([
    ['nothing before the slot is made', position({ phase: 'new', lsn: '0/200' }), 0n],
    ['nothing while tables are copied', position({ phase: 'snapshot', lsn: '0/200' }), 0n],
    ['what is before the last whole transaction', position({ lsn: '0/200' }), 0x200n],
    [
      'nothing of the transaction that the position is inside of',
      position({ lsn: '0/200', tx: { commitLsn: '0/300', seq: 5 } }),
      0x200n,
    ],
  ])('%s', (_, given, lsn) => {
    expect(flushLsn(given)).toBe(lsn)
  })
})
