import { execFile, execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ReaderGone, StreamOutput } from '../../../src/cli/stream-output.ts'
import { type Disk, nodeDisk } from '../../../src/delivery/file/disk.ts'
import { FileOutput } from '../../../src/delivery/file/file-output.ts'
import { chunks } from '../../../src/delivery/file/output.ts'
import { silentLogger } from '../../../src/replication/logger.ts'
import { Gate } from '../gate.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-output-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('lines become pieces', () => {
  test('whatever their lengths, they are the lines, each with its line break', () => {
    const line = fc.oneof(
      fc.string(),
      fc.integer({ min: 0, max: 300_000 }).map((length) => 'é'.repeat(length)),
    )
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const joined = Buffer.concat([...chunks(lines)]).toString()
        expect(joined).toBe(lines.map((each) => `${each}\n`).join(''))
      }),
      { numRuns: 50 },
    )
  })

  test('many small lines are few pieces, and no piece waits for the lines after it', () => {
    let taken = 0
    function* lines() {
      for (; taken < 100_000; taken++) yield 'x'.repeat(99)
    }
    const pieces = chunks(lines())
    expect(pieces.next().value).toHaveLength(262_100)
    expect(taken).toBeLessThan(2700)
    expect([...pieces].length).toBeLessThan(50)
  })
})

describe('a stream', () => {
  test('a reader that takes nothing holds the writer after one piece', async () => {
    let made = 0
    function* lines() {
      for (; made < 1000; made++) yield 'x'.repeat(10_000)
    }
    const slow = new PassThrough({ highWaterMark: 1 })
    const writing = new StreamOutput(slow).write(lines())
    await new Promise(setImmediate)
    expect(made).toBeLessThan(60)
    slow.resume()
    await writing
    expect(made).toBe(1000)
  })

  test('a reader that has gone is told from a write that failed', async () => {
    const failing = (code: string) =>
      new StreamOutput(
        new Writable({ write: (_, __, done) => done(Object.assign(new Error(`${code}: no, write`), { code })) }),
      )
    await expect(failing('EPIPE').write(['x'])).rejects.toThrow(ReaderGone)
    await expect(failing('EIO').write(['x'])).rejects.toThrow(
      expect.objectContaining({ code: 'output_failed', why: 'EIO: no' }),
    )
  })
})

describe('a file', () => {
  let path: string
  beforeEach(() => {
    path = join(folder, 'out.jsonl')
  })
  const content = () => readFile(path, 'utf8')
  const output = (beginAt?: number) => new FileOutput(nodeDisk, path, beginAt, silentLogger)

  test('is not touched before the first use', async () => {
    await writeFile(path, 'one\ntwo\n')
    await output(4).close()
    expect(await content()).toBe('one\ntwo\n')
  })

  test('is cut back to where it begins, and the length follows what is written', async () => {
    await writeFile(path, 'one\ntwo\nthr')
    const cut = output(4)
    await cut.write(['second', 'drittens ü'])
    await cut.sync()
    expect(cut.length).toBe(4 + 7 + 12)
    await cut.close()
    expect(await content()).toBe('one\nsecond\ndrittens ü\n')
  })

  test('with nothing written, a sync cuts it all the same', async () => {
    await writeFile(path, 'one\ntwo\nthr')
    const cut = output(4)
    await cut.sync()
    await cut.close()
    expect(await content()).toBe('one\n')
  })

  test('without a beginning, what is there stays', async () => {
    await writeFile(path, 'one\n')
    const appended = output()
    await appended.write(['two'])
    await appended.close()
    expect(await content()).toBe('one\ntwo\n')
  })

  test('half a line that a killed run left is not joined to the next one', async () => {
    await writeFile(path, 'one\n{"kind":"ins')
    const appended = output()
    await appended.write(['two'])
    await appended.close()
    expect(await content()).toBe('one\n{"kind":"ins\ntwo\n')
  })

  test('another writer is found before a checkpoint can cover what it wrote', async () => {
    const ours = output(0)
    await ours.write(['one'])
    await writeFile(path, 'theirs\n', { flag: 'a' })
    await expect(ours.sync()).rejects.toThrow(expect.objectContaining({ code: 'output_changed' }))
    await expect(ours.write(['two'])).rejects.toThrow('something else writes to it')
    await ours.close()
  })

  test('so is one that cuts it', async () => {
    const ours = output(0)
    await ours.write(['one'])
    await truncate(path, 0)
    await expect(ours.sync()).rejects.toThrow(expect.objectContaining({ code: 'output_changed' }))
    await ours.close()
  })

  test('what is written while it is synced is not covered, and is nobody else', async () => {
    const gate = new Gate()
    const ours = new FileOutput(stopAtPiece(3, gate), path, 0, silentLogger)
    await ours.write(['one'])
    const { length } = ours
    const writing = ours.write(Array.from({ length: 1000 }, () => 'x'.repeat(1000)))
    const syncing = ours.sync()
    await gate.reached
    expect(ours.length).toBe(length)
    gate.open()
    await syncing
    await writing
    expect(ours.length).toBe(4 + 1_001_000)
    await ours.sync()
    await ours.close()
  })

  test('another writer is found while this one goes on', async () => {
    const ours = output(0)
    await ours.write(['one'])
    await writeFile(path, 'theirs\n', { flag: 'a' })
    const writing = ours.write(Array.from({ length: 1000 }, () => 'x'.repeat(1000)))
    await expect(ours.sync()).rejects.toThrow(expect.objectContaining({ code: 'output_changed' }))
    await writing.catch(() => {})
    await ours.close()
  })

  test('a folder in its place is said', async () => {
    const wrong = new FileOutput(nodeDisk, folder, undefined, silentLogger)
    await expect(wrong.write(['x'])).rejects.toThrow(
      expect.objectContaining({ code: 'output_failed', why: expect.stringContaining('EISDIR') }),
    )
  })

  test('with a checkpoint it must be a file that can be cut', async () => {
    const device = new FileOutput(nodeDisk, '/dev/null', 0, silentLogger)
    await expect(device.write(['x'])).rejects.toThrow(expect.objectContaining({ code: 'bad_option' }))
    const without = new FileOutput(nodeDisk, '/dev/null', undefined, silentLogger)
    await without.write(['x'])
    await without.sync()
    expect((await stat('/dev/null')).isFile()).toBe(false)
  })
})

/** The real disk, on which the piece of this number waits before it is written. */
function stopAtPiece(number: number, gate: Gate): Disk {
  let pieces = 0
  return {
    ...nodeDisk,
    async append(name, wait) {
      const file = await nodeDisk.append(name, wait)
      return {
        ...file,
        write: async (bytes) => {
          if (++pieces === number) await gate.pass()
          await file.write(bytes)
        },
      }
    },
  }
}

describe('a named pipe', () => {
  let path: string
  beforeEach(() => {
    path = join(folder, 'pipe')
    execFileSync('mkfifo', [path])
  })

  test('takes everything as it is read', async () => {
    const output = new FileOutput(nodeDisk, path, undefined, silentLogger)
    const reading = readFile(path, 'utf8')
    await output.write(['a', 'x'.repeat(1_000_000)])
    await output.sync()
    await output.close()
    expect(await reading).toBe(`a\n${'x'.repeat(1_000_000)}\n`)
  })

  test('that nobody reads does not keep the process from ending', async () => {
    const disk = new URL('../../../dist/delivery/file/disk.js', import.meta.url)
    const program = `
      const { nodeDisk } = await import('${disk}')
      const wait = { signal: new AbortController().signal, onUnread: () => process.exit(0) }
      const pipe = await nodeDisk.append('${path}', wait)
      await pipe.write(Buffer.from('x'))
      process.exit(1)`
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 10_000 })
  })

  test('that nobody reads is waited for, which is said, until it is closed', async () => {
    const warn = vi.fn()
    const output = new FileOutput(nodeDisk, path, undefined, { ...silentLogger, warn })
    const writing = output.write(['x'])
    await vi.waitFor(
      () => expect(warn).toHaveBeenCalledWith({ output: path }, expect.stringContaining('waiting')),
      10_000,
    )
    await output.close()
    await expect(writing).rejects.toThrow(expect.objectContaining({ code: 'output_failed' }))
    // a reader that comes now gets nothing, and no writer comes
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    expect(readSync(reader, Buffer.alloc(10))).toBe(0)
    closeSync(reader)
  })

  test('with a checkpoint is refused without waiting for a reader', async () => {
    const output = new FileOutput(nodeDisk, path, 0, silentLogger)
    await expect(output.sync()).rejects.toThrow(expect.objectContaining({ code: 'bad_option' }))
  })
})
