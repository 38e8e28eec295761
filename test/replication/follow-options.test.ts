import { describe, expect, test } from 'vitest'
import type { FollowOptions } from '../../src/replication/feed.ts'
import { checkFollowOptions } from '../../src/replication/follow-options.ts'
import type { Position } from '../../src/replication/position.ts'

const least = { publication: 'shop', slot: 'shop_feed' }

const position: Position = {
  version: 2,
  systemId: '7310264859137482345',
  timeline: 1,
  database: 'shop',
  slot: 'shop_feed',
  options: { publications: ['shop'] },
  phase: 'stream',
  lsn: '0/1B00F10',
}

describe('options that are checked', () => {
  test('have defaults for whatever is left out', () => {
    expect(checkFollowOptions(least)).toMatchObject({
      publications: ['shop'],
      slot: 'shop_feed',
      start: undefined,
      stop: undefined,
      snapshot: 'initial',
      temporary: false,
      onLostSlot: 'fail',
      maxBatchRows: 10_000,
      maxBatchBytes: 128 * 1024,
      maxBufferedBytes: 8 * 1024 * 1024,
      slotTimeoutMs: 60_000,
    })
  })

  test('name each publication once, in alphabetical order, so that positions compare', () => {
    expect(checkFollowOptions({ ...least, publication: ['stock', 'shop', 'stock'] }).publications).toEqual([
      'shop',
      'stock',
    ])
  })

  test('take LSNs as text or number, in both paddings', () => {
    expect(checkFollowOptions({ ...least, stop: '0/16B3748' }).stop).toBe(0x16b3748n)
    expect(checkFollowOptions({ ...least, stop: '0/016B3748' }).stop).toBe(0x16b3748n)
    expect(checkFollowOptions({ ...least, stop: 0x16b3748n }).stop).toBe(0x16b3748n)
    expect(checkFollowOptions({ ...least, start: '16/B374D848' }).start).toBe(0x16_b374_d848n)
    expect(checkFollowOptions({ ...least, start: 42n }).start).toBe(42n)
    expect(checkFollowOptions({ ...least, start: 'slot' }).start).toBe('slot')
  })

  test('take a position that went through JSON', () => {
    expect(checkFollowOptions({ ...least, start: JSON.parse(JSON.stringify(position)) }).start).toEqual(position)
  })

  test('give a temporary slot a name of its own, another one each time', () => {
    const { publication } = least
    const first = checkFollowOptions({ publication, temporary: true })
    const second = checkFollowOptions({ publication, snapshot: 'only' })
    expect(second.temporary).toBe(true)
    expect(first.slot).toMatch(/^walwire_[0-9a-f]{16}$/)
    expect(second.slot).not.toBe(first.slot)
    expect(checkFollowOptions({ ...least, snapshot: 'only' }).temporary).toBe(false)
  })
})

describe('options that cannot be used', () => {
  const longestName = 'a'.repeat(63)
  /** What is wrong, the option that the error names, and the options. */
  const refused: readonly [string, string, FollowOptions][] = [
    ['no publication at all', 'publication', { ...least, publication: [] }],
    ['a publication without a name', 'publication', { ...least, publication: '' }],
    ['one publication of several without a name', 'publication', { ...least, publication: ['shop', ''] }],
    ['no slot', 'slot', { publication: 'shop' }],
    ['a slot without a name', 'slot', { ...least, slot: '' }],
    ['upper case in the name of a slot', 'slot', { ...least, slot: 'Shop' }],
    ['a hyphen in the name of a slot', 'slot', { ...least, slot: 'shop-feed' }],
    ['SQL in the name of a slot', 'slot', { ...least, slot: "x'; DROP TABLE" }],
    ['a name of 64 characters for a slot', 'slot', { ...least, slot: `${longestName}a` }],
    ['the word now as stop', 'stop', { ...least, stop: 'now' }],
    ['a negative stop', 'stop', { ...least, stop: -1n }],
    ['a stop of more than 64 bits', 'stop', { ...least, stop: 2n ** 64n }],
    ['another word than slot as start', 'start', { ...least, start: 'first' }],
    ['a start of nine digits', 'start', { ...least, start: '0/123456789' }],
    ['a start in a slot that does not exist yet', 'start', { publication: 'shop', temporary: true, start: 'slot' }],
    ['a copy anew without a copy', 'onLostSlot', { ...least, onLostSlot: 'resnapshot', snapshot: 'never' }],
    ['a copy anew for a feed that only copies', 'onLostSlot', { ...least, onLostSlot: 'resnapshot', snapshot: 'only' }],
    ['a temporary slot made anew', 'onLostSlot', { ...least, onLostSlot: 'resnapshot', temporary: true }],
    ['batches of no rows', 'maxBatchRows', { ...least, maxBatchRows: 0 }],
    ['batches of one and a half rows', 'maxBatchRows', { ...least, maxBatchRows: 1.5 }],
    ['a negative number of bytes', 'maxBatchBytes', { ...least, maxBatchBytes: -1 }],
    ['a buffer of NaN bytes', 'maxBufferedBytes', { ...least, maxBufferedBytes: Number.NaN }],
    ['an endless wait', 'slotTimeoutMs', { ...least, slotTimeoutMs: Number.POSITIVE_INFINITY }],
  ]

  test.each(refused)('%s: the error names the option %s', (_, option, options) => {
    expect(() => checkFollowOptions(options)).toThrow(
      expect.objectContaining({ code: 'bad_option', message: expect.stringContaining(`'${option}'`) }),
    )
  })

  test('a name of 63 characters is the longest that a slot can have', () => {
    expect(checkFollowOptions({ ...least, slot: longestName }).slot).toBe(longestName)
  })

  test.each([
    ['snapshot', 'always'],
    ['invalidText', 'replace'],
  ])('a kind of %s that there is not is refused, which a caller without types may ask for', (option, kind) => {
    const options: FollowOptions = JSON.parse(`{"publication":"shop","slot":"shop_feed","${option}":"${kind}"}`)
    expect(() => checkFollowOptions(options)).toThrow(
      expect.objectContaining({ code: 'bad_option', message: expect.stringContaining(`'${option}'`) }),
    )
  })

  test('a stored position that lost something is refused, naming the field', () => {
    const { systemId: _, ...withoutSystem } = position
    const cases: readonly [string, unknown][] = [
      ['systemId', withoutSystem],
      ['lsn', { ...position, lsn: '1B00F10' }],
      ['phase', { ...position, phase: 'done' }],
      ['tx', { ...position, tx: { commitLsn: '0/1B00F18' } }],
    ]
    for (const [field, stored] of cases) {
      const options: FollowOptions = JSON.parse(JSON.stringify({ ...least, start: stored }))
      expect(() => checkFollowOptions(options), field).toThrow(
        expect.objectContaining({ code: 'position_malformed', message: expect.stringContaining(field) }),
      )
    }
  })

  test('a position of a format that is newer than this release is refused as that', () => {
    const options: FollowOptions = JSON.parse(JSON.stringify({ ...least, start: { ...position, version: 3 } }))
    expect(() => checkFollowOptions(options)).toThrow(
      expect.objectContaining({ code: 'position_malformed', message: expect.stringContaining('format version 3') }),
    )
  })
})
