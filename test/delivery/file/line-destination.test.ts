import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lockPath } from '../../../src/delivery/file/checkpoint-lock.ts'
import { type Disk, nodeDisk } from '../../../src/delivery/file/disk.ts'
import { FileOutput } from '../../../src/delivery/file/file-output.ts'
import { LineDestination } from '../../../src/delivery/file/line-destination.ts'
import { silentLogger } from '../../../src/replication/logger.ts'
import { Gate } from '../gate.ts'
import { batchOf, nameOf, positionAt } from '../scripted-feed.ts'

let folder: string
let path: string
let checkpoint: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-lines-'))
  path = join(folder, 'out.jsonl')
  checkpoint = join(folder, 'checkpoint')
})
afterEach(() => rm(folder, { recursive: true }))

const feed = {
  publications: ['shop'],
  slot: 'shop_feed',
  snapshot: 'initial' as const,
  start: undefined,
  signal: new AbortController().signal,
}

function destinationOn(disk: Disk): LineDestination {
  return new LineDestination({
    disk,
    path,
    open: (file = path, beginAt) => new FileOutput(disk, file, beginAt, silentLogger),
    checkpoint,
    toLines: ({ events }) => events.map(nameOf),
    logger: silentLogger,
  })
}

describe('nothing is written once it is closed', () => {
  test('the rest of a batch that was being written', async () => {
    const gate = new Gate()
    const slow: Disk = {
      ...nodeDisk,
      async append(name, wait) {
        const file = await nodeDisk.append(name, wait)
        return {
          ...file,
          write: async (bytes) => {
            await file.write(bytes)
            await gate.pass()
          },
        }
      },
    }
    const destination = destinationOn(slow)
    await destination.open(feed)
    await destination.commit(positionAt(1, 'new'))
    const writing = destination.write(batchOf(positionAt(16), 'a'.repeat(300_000), 'b'.repeat(300_000)))
    writing.catch(() => {})
    await gate.reached
    await destination.close()
    expect(existsSync(lockPath(checkpoint))).toBe(false)
    // what the next run has there
    await writeFile(path, 'the next run\n'.repeat(50_000))
    gate.open()
    await expect(writing).rejects.toMatchObject({ code: 'output_failed' })
    expect(await readFile(path, 'utf8')).toBe('the next run\n'.repeat(50_000))
  })

  test('a checkpoint, while it is being made', async () => {
    const gate = new Gate()
    let isSlow = false
    const slow: Disk = {
      ...nodeDisk,
      async rename(from, to) {
        if (isSlow) await gate.pass()
        await nodeDisk.rename(from, to)
      },
    }
    const destination = destinationOn(slow)
    await destination.open(feed)
    await destination.commit(positionAt(1, 'new'))
    isSlow = true
    await destination.write(batchOf(positionAt(16), 'one'))
    const committing = destination.commit(positionAt(16))
    await gate.reached
    const closing = destination.close()
    for (let turn = 0; turn < 50; turn++) await stat(folder)
    // its checkpoint may take its name at any moment, so nobody else may have the lock
    expect(existsSync(lockPath(checkpoint))).toBe(true)
    gate.open()
    await committing
    await closing
    expect(existsSync(lockPath(checkpoint))).toBe(false)
  })

  test('a checkpoint, whose output was still being synced', async () => {
    const gate = new Gate()
    let isSlow = false
    const slow: Disk = {
      ...nodeDisk,
      async append(name, wait) {
        const file = await nodeDisk.append(name, wait)
        return {
          ...file,
          sync: async () => {
            await file.sync()
            if (isSlow) await gate.pass()
          },
        }
      },
    }
    const destination = destinationOn(slow)
    await destination.open(feed)
    await destination.commit(positionAt(1, 'new'))
    isSlow = true
    await destination.write(batchOf(positionAt(16), 'one'))
    const committing = destination.commit(positionAt(16))
    committing.catch(() => {})
    await gate.reached
    const closing = destination.close()
    gate.open()
    await closing
    await expect(committing).rejects.toMatchObject({ code: 'output_failed' })
    expect(await readFile(checkpoint, 'utf8')).toContain('"phase": "new"')
  })
})

describe('an output that is not what the checkpoint covers', () => {
  test('moved away before the first use: refused, and nothing is made up in its place', async () => {
    const first = destinationOn(nodeDisk)
    await first.open(feed)
    await first.write(batchOf(positionAt(16), 'one'))
    await first.commit(positionAt(16))
    await first.close()
    const second = destinationOn(nodeDisk)
    await second.open(feed)
    await rename(path, join(folder, 'out.jsonl.1'))
    await expect(second.write(batchOf(positionAt(32), 'two'))).rejects.toMatchObject({ code: 'output_changed' })
    await second.close()
    expect(existsSync(path) ? await readFile(path, 'utf8') : '').toBe('')
  })

  test('moved away while it is written: no checkpoint covers what its path does not hold', async () => {
    const destination = destinationOn(nodeDisk)
    await destination.open(feed)
    await destination.write(batchOf(positionAt(16), 'one'))
    await destination.commit(positionAt(16))
    await rename(path, join(folder, 'out.jsonl.1'))
    await destination.write(batchOf(positionAt(32), 'two'))
    await expect(destination.commit(positionAt(32))).rejects.toMatchObject({ code: 'output_changed' })
    await destination.close()
    expect(await readFile(checkpoint, 'utf8')).toContain('"lsn": "0/10"')
  })
})

describe('what the system refuses is said', () => {
  test('an output whose folder is a file', async () => {
    await writeFile(join(folder, 'file'), '')
    path = join(folder, 'file', 'out.jsonl')
    const destination = destinationOn(nodeDisk)
    const failure = { code: 'output_failed', why: expect.stringContaining('ENOTDIR') }
    await expect(destination.open(feed)).rejects.toMatchObject(failure)
    await destination.close()
  })

  test('an output that is a folder', async () => {
    path = folder
    const destination = destinationOn(nodeDisk)
    await destination.open(feed)
    const failure = { code: 'output_failed', why: expect.stringContaining('EISDIR') }
    await expect(destination.commit(positionAt(1, 'new'))).rejects.toMatchObject(failure)
    await destination.close()
  })

  test('a lock that cannot be looked at: no checkpoint is written', async () => {
    const destination = destinationOn(nodeDisk)
    await destination.open(feed)
    await rm(lockPath(checkpoint))
    await mkdir(lockPath(checkpoint))
    const failure = { code: 'checkpoint_failed', why: expect.stringContaining('EISDIR') }
    await expect(destination.commit(positionAt(1, 'new'))).rejects.toMatchObject(failure)
    await destination.close()
    expect(existsSync(checkpoint)).toBe(false)
  })
})
