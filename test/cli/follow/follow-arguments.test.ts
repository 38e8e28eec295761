import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CommandError } from '../../../src/cli/command-error.ts'
import {
  type FollowArguments,
  readDiagnosticsArguments,
  readFollowArguments,
  sortFollowArguments,
} from '../../../src/cli/follow/follow-arguments.ts'

function read(line: string[]): FollowArguments {
  const given = sortFollowArguments(line)
  readDiagnosticsArguments(given)
  return readFollowArguments(given)
}

function refusal(line: string[]): CommandError {
  try {
    read(line)
  } catch (error) {
    if (error instanceof CommandError) return error
    throw error
  }
  throw new Error(`not refused: ${line.join(' ')}`)
}

const files = ['--checkpoint', 'c', '--output', 'f']
const enough = ['--publication', 'shop', '--slot', 'shop_feed']

describe('what is understood', () => {
  test('the least: a publication and a slot', () => {
    expect(read(enough)).toEqual({
      url: undefined,
      publications: ['shop'],
      slot: 'shop_feed',
      snapshot: 'initial',
      start: undefined,
      stop: undefined,
      checkpoint: undefined,
      rotate: undefined,
      output: undefined,
      format: 'jsonl',
      values: 'native',
      binary: false,
      createPublication: undefined,
      temporary: false,
      slotTimeoutMs: undefined,
      reconnect: { maxAttempts: undefined, minDelayMs: undefined, maxDelayMs: undefined, first: false },
      onLostSlot: 'fail',
    })
  })

  test.each<[string, string[], Partial<FollowArguments>]>([
    ['a URL as argument', ['postgres://db/shop', ...enough], { url: 'postgres://db/shop' }],
    ['a URL as option', [...enough, '--url=postgres://db/shop'], { url: 'postgres://db/shop' }],
    [
      'several publications, each once and in order',
      [...enough, '--publication', 'b', '--publication', 'a', '--publication', 'b'],
      { publications: ['a', 'b', 'shop'] },
    ],
    ['a publication with a comma in its name', ['--publication', 'a,b', '--slot', 's'], { publications: ['a,b'] }],
    ['a start in either padding', [...enough, '--start', '0/016b3748'], { start: '0/16B3748' }],
    ['the slot as start', [...enough, '--start', 'slot'], { start: 'slot' }],
    ['now as stop', [...enough, '--stop', 'now'], { stop: 'now' }],
    ['an LSN as stop', [...enough, '--stop', '1/0'], { stop: '1/0' }],
    [
      'files, as absolute paths',
      [...enough, '--checkpoint', 'a.json', '--output', 'b.jsonl'],
      { checkpoint: resolve('a.json'), output: resolve('b.jsonl') },
    ],
    [
      'parts by size and time',
      [...enough, ...files, '--rotate', '1.5GB', '--rotate', '1h'],
      { rotate: { maxBytes: 1610612736, maxAgeMs: 3_600_000 } },
    ],
    ['parts by size alone', [...enough, ...files, '--rotate', '100kb'], { rotate: { maxBytes: 102_400 } }],
    ['a dash for stdout', [...enough, '--output', '-'], { output: undefined }],
    ['the format for people', [...enough, '--format', 'pretty', '--output', '-'], { format: 'pretty', values: 'text' }],
    ['text values', [...enough, '--values', 'text', '--format', 'jsonl'], { values: 'text' }],
    ['a temporary slot without a name', ['--publication', 'shop', '--temporary'], { temporary: true, slot: undefined }],
    ['only a snapshot, without a slot', ['--publication', 'shop', '--snapshot', 'only'], { snapshot: 'only' }],
    [
      'how it goes on after a loss',
      [...enough, '--wait', '--reconnect', '3', '--reconnect-min', '1s', '--reconnect-max', '2min'],
      { reconnect: { first: true, maxAttempts: 3, minDelayMs: 1000, maxDelayMs: 120_000 } },
    ],
    [
      'that it begins anew where its slot is lost',
      [...enough, '--on-lost-slot', 'resnapshot'],
      { onLostSlot: 'resnapshot' },
    ],
    ['that it does not go on', [...enough, '--reconnect', '0'], { reconnect: false }],
    ['seconds', [...enough, '--slot-timeout', '1.5'], { slotTimeoutMs: 1500 }],
    [
      'a publication to be made',
      [...enough, '--create-publication', 'orders'],
      { createPublication: [{ schema: undefined, name: 'orders' }] },
    ],
    [
      'a start without a snapshot, said twice',
      [...enough, '--start', 'slot', '--snapshot', 'never'],
      { start: 'slot' },
    ],
    ['a value that begins with a dash', ['--publication', 'shop', '--slot=-s'], { slot: '-s' }],
  ])('%s', (_, line, expected) => {
    expect(read(line)).toMatchObject(expected)
  })

  test('how it talks about itself', () => {
    expect(readDiagnosticsArguments(sortFollowArguments([]))).toEqual({ level: 'info', json: false })
    expect(readDiagnosticsArguments(sortFollowArguments(['--format', 'pretty']))).toEqual({
      level: 'warn',
      json: false,
    })
    expect(readDiagnosticsArguments(sortFollowArguments(['--log', 'json', '--log-level', 'debug']))).toEqual({
      level: 'debug',
      json: true,
    })
  })

  test('-h is --help', () => {
    expect(sortFollowArguments(['-h']).has('help')).toBe(true)
  })
})

describe('what is refused, each with its own words and a way out', () => {
  test.each<[string[], string, string?]>([
    [['--publicaton', 'shop'], 'unknown option --publicaton', 'did you mean --publication?'],
    [['--binary', '--values', 'text', ...enough], '--binary contradicts --values text'],
    [['-x', ...enough], 'unknown option -x'],
    [['--on-lost-slot', 'skip', ...enough], '--on-lost-slot cannot be "skip"'],
    [
      ['--on-lost-slot', 'resnapshot', '--snapshot', 'never', ...enough],
      '--on-lost-slot resnapshot contradicts --snapshot never',
    ],
    [
      ['--on-lost-slot', 'resnapshot', '--temporary', ...enough],
      '--on-lost-slot resnapshot contradicts a temporary slot',
    ],
    [['--reconnect', '-1', ...enough], '--reconnect needs a value'],
    [['--reconnect', 'never', ...enough], '--reconnect cannot be "never"'],
    [['--reconnect', '0', '--wait', ...enough], '--reconnect 0 contradicts --wait'],
    [['--reconnect', '0', '--reconnect-max', '9s', ...enough], '--reconnect 0 contradicts --reconnect-max'],
    [['--reconnect-min', '2s', '--reconnect-max', '1s', ...enough], '--reconnect-max is below --reconnect-min'],
    [[...enough, '--start'], '--start needs a value'],
    [['--publication', 'shop', '--slot', '--temporary'], '--slot needs a value', '--slot=VALUE'],
    [['--publication', 'shop', '--slot', ''], '--slot needs a value', 'shell variable'],
    [[...enough, '--slot', 'other'], '--slot is given twice'],
    [['--publication', 'shop', '--temporary=yes'], '--temporary takes no value'],
    [['', ...enough], 'the URL is empty', 'shell variable'],
    [['postgres://a', 'postgres://b', ...enough], 'more than one URL is given'],
    [['postgres://a', '--url', 'postgres://b', ...enough], 'more than one URL is given'],
    [['--slot', 's'], 'no publication is given', '--publication NAME'],
    [['--publication', 'shop'], 'no slot is given', '--temporary'],
    [[...enough, '--snapshot', 'sometimes'], '--snapshot cannot be "sometimes"', 'one of these'],
    [[...enough, '--start', 'zero'], '--start cannot be "zero"'],
    [[...enough, '--start', '1/000000000'], '--start cannot be "1/000000000"'],
    [[...enough, '--stop', 'never'], '--stop cannot be "never"'],
    [[...enough, '--start', '1/0', '--stop', '0/1'], '--stop 0/1 is before --start 1/0'],
    [[...enough, '--start', 'slot', '--snapshot', 'initial'], '--start contradicts --snapshot initial'],
    [[...enough, '--start', 'slot', '--temporary'], '--start contradicts --temporary'],
    [['--publication', 'shop', '--snapshot', 'only', '--start', 'slot'], '--start contradicts --snapshot only'],
    [[...enough, '--snapshot', 'only', '--stop', 'now'], '--stop contradicts --snapshot only'],
    [[...enough, '--temporary', '--checkpoint', 'c'], '--checkpoint needs a slot that lasts'],
    [['--publication', 'shop', '--snapshot', 'only', '--checkpoint', 'c'], '--checkpoint needs a slot that lasts'],
    [[...enough, '--checkpoint', 'f', '--output', './f'], '--checkpoint and --output name the same file'],
    [[...enough, ...files, '--rotate', '1'], '--rotate cannot be "1"'],
    [[...enough, ...files, '--rotate', '0GB'], '--rotate cannot be "0GB"'],
    [[...enough, ...files, '--rotate', '1M'], '--rotate cannot be "1M"'],
    [[...enough, ...files, '--rotate', '0h'], '--rotate cannot be "0h"'],
    [[...enough, ...files, '--rotate', '1GB', '--rotate', '2GB'], '--rotate is given two sizes'],
    [[...enough, ...files, '--rotate', '1h', '--rotate', '2h'], '--rotate is given two times'],
    [[...enough, '--checkpoint', 'c', '--rotate', '1GB'], '--rotate needs --output'],
    [[...enough, '--output', 'f', '--rotate', '1GB'], '--rotate needs --checkpoint'],
    [
      [...enough, '--checkpoint', 'f.000001', '--output', 'f', '--rotate', '1h'],
      `--checkpoint cannot be ${resolve('f.000001')}`,
    ],
    [[...enough, '--checkpoint', 'f', '--output', 'f.tmp'], `--output cannot be ${resolve('f.tmp')}`],
    [[...enough, '--checkpoint', 'f', '--output', 'f.lock'], `--output cannot be ${resolve('f.lock')}`],
    [[...enough, '--format', 'pretty', '--checkpoint', 'c'], '--checkpoint contradicts --format pretty'],
    [[...enough, '--format', 'pretty', '--values', 'native'], '--values native contradicts --format pretty'],
    [[...enough, '--format', 'pretty', '--binary'], '--binary contradicts --format pretty'],
    [[...enough, '--format', 'xml'], '--format cannot be "xml"'],
    [[...enough, '--values', 'binary'], '--values cannot be "binary"'],
    [[...enough, '--slot-timeout', '0'], '--slot-timeout cannot be "0"'],
    [[...enough, '--slot-timeout', '1e3'], '--slot-timeout cannot be "1e3"'],
    [[...enough, '--slot-timeout', '99999999'], '--slot-timeout cannot be "99999999"'],
    [[...enough, '--log', 'xml'], '--log cannot be "xml"'],
    [[...enough, '--log-level', 'loud'], '--log-level cannot be "loud"'],
    [
      [...enough, '--publication', 'b', '--create-publication', 'all'],
      '--create-publication cannot be used with several publications',
    ],
    [
      ['--publication', 'é'.repeat(32), '--slot', 's', '--create-publication', 'all'],
      `--create-publication cannot make ${'é'.repeat(32)}`,
    ],
    [[...enough, '--create-publication', 'a,'], '--create-publication cannot be read'],
  ])('%j: %s', (line, what, hint = '') => {
    const error = refusal(line)
    expect(error).toMatchObject({ code: 'usage', what })
    expect(error.why).not.toBe('')
    expect(error.hint).toContain(hint)
  })
})
