import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type LockHolder, type LockSurroundings, lockCheckpoint } from '../../../src/delivery/file/checkpoint-lock.ts'
import { linuxStart, processPlace, processStart } from '../../../src/delivery/file/process-identity.ts'
import { silentLogger } from '../../../src/replication/logger.ts'
import { recordingLogger } from '../../replication/follow/helpers/recording-logger.ts'
import { waitUntil } from '../../server/index.ts'

let folder: string
let checkpoint: string
let lockFile: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walwire-lock-'))
  checkpoint = join(folder, 'shop.checkpoint')
  lockFile = `${checkpoint}.lock`
})
afterEach(() => rm(folder, { recursive: true }))

const lock = (surroundings?: LockSurroundings) => lockCheckpoint(checkpoint, silentLogger, { surroundings })
const at = (name: string) => ({ name, exact: true })
const inUse = expect.objectContaining({ code: 'checkpoint_locked' })

function leftBy(holder: Partial<LockHolder>): Promise<void> {
  const all = { pid: process.pid, started: '1', place: processPlace().name, host: 'here', token: 'theirs', ...holder }
  return writeFile(lockFile, JSON.stringify(all))
}

test('one at a time; released, it is free, and nothing is left', async () => {
  const first = await lock()
  await expect(lock()).rejects.toThrow(inUse)
  await first.verify()
  first.release()
  const second = await lock()
  second.release()
  second.release()
  expect(await readdir(folder)).toEqual([])
})

test('whoever waits gets it when it is released, and has said once whom it waits for', async () => {
  const first = await lock()
  const logger = recordingLogger()
  const waiting = lockCheckpoint(checkpoint, logger, { wait: true })
  await waitUntil('it to be said', () => logger.lines().length > 0)
  let seen = 0
  await waitUntil('it to have looked again', () => ++seen > 20)
  first.release()
  const second = await waiting
  await second.verify()
  expect(logger.lines()).toHaveLength(1)
  expect(logger.lines('info')[0]?.message).toMatch(
    new RegExp(`in use: process ${process.pid} on .*: waiting for its end`),
  )
  second.release()
  expect(await readdir(folder)).toEqual([])
})

test('whoever waits stops with a signal', async () => {
  const first = await lock()
  const stop = new AbortController()
  const logger = recordingLogger()
  const waiting = lockCheckpoint(checkpoint, logger, { wait: true, signal: stop.signal })
  waiting.catch(() => {})
  await waitUntil('it to wait', () => logger.lines('info').length > 0)
  stop.abort()
  await expect(waiting).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
  first.release()
  expect(await readdir(folder)).toEqual([])
})

test('of many at once, one gets it', async () => {
  await leftBy({ pid: 0x7fff_fff0 })
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => lock()))
  const got = results.filter((result) => result.status === 'fulfilled')
  for (const { reason } of results.filter((result) => result.status === 'rejected')) expect(reason).toEqual(inUse)
  const verified = await Promise.allSettled(got.map(({ value }) => value.verify()))
  expect(verified.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const { value } of got) value.release()
  expect(await readdir(folder)).toEqual([])
})

test('left by a process that is gone: taken over', async () => {
  await leftBy({ pid: 0x7fff_fff0 })
  const taken = await lock()
  await taken.verify()
  taken.release()
})

test('left by a process whose number is another process now: taken over', async () => {
  await leftBy({ pid: process.pid, started: 'long ago' })
  const taken = await lock()
  taken.release()
})

test('left by a process that was killed: taken over', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  await leftBy({ pid, started: processStart(pid) ?? '' })
  await expect(lock()).rejects.toThrow(`process ${pid} on here`)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const taken = await lock()
  taken.release()
})

test('from elsewhere, and touched now and then: in use', async () => {
  await leftBy({ place: 'another machine', host: 'db-2' })
  let seconds = 1
  const beat = setInterval(() => utimes(lockFile, seconds, seconds++), 5)
  const elsewhere = { place: processPlace(), processStart, heartbeatMs: 20 }
  await expect(lock(elsewhere)).rejects.toThrow('on db-2')
  clearInterval(beat)
})

test('from elsewhere, and never touched: taken over', async () => {
  await leftBy({ place: 'another machine', host: 'db-2' })
  const taken = await lock({ place: processPlace(), processStart, heartbeatMs: 20 })
  taken.release()
})

test('a holder touches its lock, so that others see from elsewhere that it lives', async () => {
  const here = await lock({ place: at('here'), processStart, heartbeatMs: 20 })
  await expect(lock({ place: at('there'), processStart, heartbeatMs: 200 })).rejects.toThrow(inUse)
  here.release()
})

test('killed between making the lock and saying whose it is: an empty lock that nobody touches is taken over', async () => {
  await writeFile(lockFile, '')
  const taken = await lock({ place: processPlace(), processStart, heartbeatMs: 20 })
  taken.release()
})

test('a lock that was removed or taken is noticed, and not given free for the other', async () => {
  const lost = await lock()
  await rm(lockFile)
  await expect(lost.verify()).rejects.toThrow(expect.objectContaining({ code: 'checkpoint_lock_lost' }))
  await leftBy({ token: 'another' })
  await expect(lost.verify()).rejects.toThrow('has taken its lock')
  lost.release()
  expect(existsSync(lockFile)).toBe(true)
})

test('a folder that is not there is said', async () => {
  await expect(lockCheckpoint(join(folder, 'none', 'cp'), silentLogger)).rejects.toThrow(
    expect.objectContaining({ code: 'checkpoint_failed', why: expect.stringContaining('ENOENT') }),
  )
})

test('the lock says who holds it', async () => {
  const held = await lock()
  expect(JSON.parse(await readFile(lockFile, 'utf8'))).toMatchObject({
    pid: process.pid,
    started: processStart(process.pid),
  })
  held.release()
})

test('the start of a process is found behind a name with anything in it; a zombie has ended', () => {
  const fields = Array.from({ length: 40 }, (_, index) => String(index + 4))
  expect(linuxStart(`7 (a ) b) S ${fields.join(' ')}`)).toBe('22')
  expect(linuxStart(`7 (node) Z ${fields.join(' ')}`)).toBeUndefined()
})

describe('what a process number says is believed only where it can be known whose it is', () => {
  const heartbeatMs = 20
  const here = at('here')
  const knows = { place: here, processStart, heartbeatMs }
  const knowsNot = { ...knows, processStart: (pid: number) => (pid === process.pid ? 'unknown' : undefined) }
  const sameName = { ...knows, place: { name: 'here', exact: false } }
  const gone = 0x7fff_fff0
  const asks = { knows, 'does not know': knowsNot, 'knows its host by name': sameName }
  const holders: Record<string, LockSurroundings> = asks

  for (const [holder, its] of Object.entries(holders)) {
    for (const [asker, mine] of Object.entries(asks)) {
      test(`a holder that ${holder} lives, for one that ${asker}: in use`, async () => {
        const held = await lock(its)
        await expect(lock(mine)).rejects.toThrow(inUse)
        await held.verify()
        held.release()
      })

      test(`one that ${holder} was killed, and its number used again, for one that ${asker}: taken over`, async () => {
        const started = its.processStart === processStart ? 'long ago' : 'unknown'
        await leftBy({ pid: process.pid, place: 'here', started })
        const taken = await lock(mine)
        await taken.verify()
        taken.release()
      })
    }
  }

  test('a number that nobody has is not enough where another host may have the same name', async () => {
    await leftBy({ pid: gone, place: 'here' })
    let seconds = 1
    const beat = setInterval(() => utimes(lockFile, seconds, seconds++), 5)
    await expect(lock(sameName)).rejects.toThrow(inUse)
    clearInterval(beat)
    const taken = await lock(sameName)
    taken.release()
  })

  test('the watching ends with a signal', async () => {
    await leftBy({ place: 'another machine' })
    const stop = new AbortController()
    const logger = recordingLogger()
    const locking = lockCheckpoint(checkpoint, logger, { signal: stop.signal })
    locking.catch(() => {})
    await waitUntil('it to watch', () => logger.lines().length > 0)
    stop.abort()
    await expect(locking).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
  })
})

test('the start of a process is the same for whoever asks, in any language and time zone', () => {
  const before = { TZ: process.env.TZ, LC_ALL: process.env.LC_ALL }
  const started = processStart(process.pid)
  Object.assign(process.env, { TZ: 'Asia/Tokyo', LC_ALL: 'de_DE.UTF-8' })
  expect(processStart(process.pid)).toBe(started)
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
})
