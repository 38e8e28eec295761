import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Position } from '../../replication/position.ts'
import { type Disk, writeWhole } from './disk.ts'
import { isPassing, systemReason } from './system-reason.ts'

/**
 * Keeps a checkpoint under a name that says what it is of, before another one takes its place: its system, and where it
 * stood. One that was kept under that name before stays as well.
 *
 * @returns the path
 * @throws {WalwireError} `checkpoint_failed`
 */
export async function keepBeside(disk: Disk, checkpoint: string, { systemId, lsn }: Position): Promise<string> {
  const name = `${checkpoint}.of-system-${systemId}-at-${lsn.replace('/', '-')}`
  try {
    const content = (await disk.read(checkpoint)) ?? ''
    for (let number = 1; ; number++) {
      const path = number === 1 ? name : `${name}-${number}`
      const found = await disk.read(path)
      if (found === content) return path
      if (found !== undefined) continue
      await writeWhole(disk, path, content)
      await disk.syncFolderOf(path)
      return path
    }
  } catch (cause) {
    throw new WalwireError('checkpoint_failed', {
      what: `the checkpoint ${checkpoint} could not be kept`,
      why: systemReason(cause),
      hint: 'the folder must exist, and allow files to be made in it',
      retryable: isPassing(cause),
      cause,
    })
  }
}
