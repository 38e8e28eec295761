import { resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { type Checkpoint, loadCheckpoint, storeCheckpoint } from '../../delivery/file/checkpoint.ts'
import { lockCheckpoint } from '../../delivery/file/checkpoint-lock.ts'
import { nodeDisk } from '../../delivery/file/disk.ts'
import { keepBeside } from '../../delivery/file/kept-checkpoint.ts'
import { adoptPosition } from '../../replication/adoption.ts'
import { readUrl, type SortedArguments, sortArguments, usageError } from '../arguments.ts'
import { plainDiagnostics } from '../diagnostics.ts'
import { exitCodeOf, exitCodes } from '../exit-code.ts'
import { inCommandWords } from '../follow/command-words.ts'
import { watchSignals } from '../follow/signals.ts'
import { print } from '../print.ts'
import { adoptHelp, adoptOptionKinds } from './adopt-options.ts'
import { adoptionReport } from './adoption-report.ts'

/** Runs `walwire adopt`, and gives the exit code. */
export async function adoptCommand(argv: readonly string[]): Promise<number> {
  const given = sortArguments('adopt', argv, adoptOptionKinds)
  if (given.has('help')) {
    await print(adoptHelp)
    return exitCodes.done
  }
  const signals = watchSignals()
  const diagnostics = plainDiagnostics('info')
  try {
    await adopt(given, signals.stop)
    return exitCodes.done
  } catch (error) {
    if (signals.stop.aborted) return exitCodes.done
    diagnostics.fail(inCommandWords(error))
    return exitCodeOf(error)
  } finally {
    signals.dispose()
  }
}

async function adopt(given: SortedArguments, signal: AbortSignal): Promise<void> {
  const url = readUrl('adopt', given)
  const slot = needed(given, 'slot', 'the slot that stands on the server now')
  const path = resolve(needed(given, 'checkpoint', 'the checkpoint that is to be taken over'))
  const { logger } = plainDiagnostics('info')
  const before = await storedIn(path)
  const lock = await lockCheckpoint(path, logger, { signal })
  try {
    const adoption = await adoptPosition(before.position, url, { slot, signal, logger })
    await print(adoptionReport(adoption))
    if (!given.has('yes') && !(await confirmed(slot, signal))) {
      throw usageError(
        'nothing was written',
        'nobody said that the checkpoint is to be adopted',
        `give --yes, or type the slot's name, ${slot}, when it is asked for`,
      )
    }
    const kept = await keepBeside(nodeDisk, path, before.position)
    await lock.verify()
    await storeCheckpoint(nodeDisk, path, { ...before.checkpoint, position: adoption.position })
    logger.info({ kept, lsn: adoption.position.lsn }, 'the checkpoint is adopted, and the one before it kept')
  } finally {
    lock.release()
  }
}

function needed(given: SortedArguments, option: string, what: string): string {
  const value = given.value(option)
  if (value !== undefined) return value
  throw usageError(`--${option} is missing`, `it names ${what}`, `give --${option}; see walwire adopt --help`)
}

async function storedIn(
  path: string,
): Promise<{ checkpoint: Checkpoint; position: NonNullable<Checkpoint['position']> }> {
  const checkpoint = await loadCheckpoint(nodeDisk, path)
  if (checkpoint?.position) return { checkpoint, position: checkpoint.position }
  throw usageError(
    `there is nothing to adopt in ${path}`,
    checkpoint === undefined ? 'there is no such file' : 'it has no position yet',
    'give the --checkpoint of the run that is to go on',
  )
}

/** Whether whoever sits at the terminal types the slot's name. */
async function confirmed(slot: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return false
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return (await terminal.question(`\nType the slot's name to go on where it stands: `, { signal })).trim() === slot
  } finally {
    terminal.close()
  }
}
