import type { Position } from '../../replication/position.ts'
import { CommandError } from '../command-error.ts'
import type { Checkpoint } from '../files/checkpoint.ts'
import type { FollowArguments } from './follow-arguments.ts'

/** How a run continues. */
export interface Resumption {
  /** What the feed starts from. */
  readonly start: Position | string | undefined
  /** The length that the output is cut back to. */
  readonly outputLength: number
  /** An earlier run has done all that was asked for: a snapshot and nothing else. */
  readonly finished: boolean
}

/**
 * Decides how a run with a checkpoint continues: from the checkpoint's position, the output cut back to what it covers.
 *
 * While nothing but a snapshot was written, or nothing at all, the feed begins again, and with it the output. A feed
 * whose `--start` was given has no position until its first batch; its checkpoint is made before anything is written,
 * or a killed run would leave an output that no checkpoint explains.
 *
 * @param checkpoint what is stored, undefined the first time
 * @param outputSize bytes in the output as it is now, undefined where there is none
 * @throws {CommandError} where continuing would lose or repeat something
 */
export function resume(
  parsed: Pick<FollowArguments, 'start' | 'output' | 'checkpoint' | 'publications' | 'snapshot'>,
  checkpoint: Checkpoint | undefined,
  outputSize: number | undefined,
): Resumption {
  if (checkpoint === undefined) {
    if (parsed.output !== undefined && (outputSize ?? 0) > 0) {
      throw new CommandError('output_not_empty', {
        what: `the output ${parsed.output} cannot be continued`,
        why: `it has ${outputSize} bytes in it, and there is no checkpoint ${parsed.checkpoint} that says what they are`,
        hint: 'restore the checkpoint; or begin anew: move the output away, and drop the slot that it came from',
      })
    }
    return { start: parsed.start, outputLength: 0, finished: false }
  }
  const { output, position, start } = checkpoint
  if (output?.path !== parsed.output) {
    throw new CommandError('checkpoint_output', {
      what: `the checkpoint ${parsed.checkpoint} is of another output`,
      why: `it covers ${output?.path ?? 'stdout'}, and this run would write to ${parsed.output ?? 'stdout'}`,
      hint: `use the same --output as before, or another --checkpoint with a slot of its own`,
    })
  }
  if (parsed.start !== undefined && parsed.start !== start) {
    throw new CommandError('checkpoint_start', {
      what: `--start ${parsed.start} contradicts the checkpoint ${parsed.checkpoint}`,
      why: `it already says where to continue, and was begun ${start === null ? 'without --start' : `with --start ${start}`}`,
      hint: 'leave out --start, or use another --checkpoint and --output',
    })
  }
  if (position === null) return { start: start ?? undefined, outputLength: 0, finished: false }
  const before = position.options.publications
  if (before.length !== parsed.publications.length || before.some((name) => !parsed.publications.includes(name))) {
    throw new CommandError('checkpoint_publications', {
      what: `the checkpoint ${parsed.checkpoint} is of other publications`,
      why: `it follows ${before.join(', ')}, and this run would follow ${parsed.publications.join(', ')}, whose rows were not copied`,
      hint: 'give the same --publication as before, or begin anew with another slot, checkpoint and output',
    })
  }
  if (position.phase !== 'stream') return { start: position, outputLength: 0, finished: false }
  if (output !== null && (outputSize ?? 0) < output.length) {
    throw new CommandError('output_shorter', {
      what: `the output ${output.path} is shorter than its checkpoint says`,
      why: `it has ${outputSize ?? 0} bytes, and the checkpoint ${parsed.checkpoint} covers ${output.length}`,
      hint: 'restore the output; or begin anew: remove the checkpoint, empty the output, and drop the slot',
    })
  }
  return { start: position, outputLength: output?.length ?? 0, finished: parsed.snapshot === 'only' }
}
