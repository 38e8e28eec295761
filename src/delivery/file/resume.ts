import { WalwireError } from '../../protocol/messages/errors.ts'
import type { Position } from '../../replication/position.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Extent } from './parted-output.ts'
import { partPath } from './parts.ts'

/** What a run was asked for. */
export interface RunRequest {
  /** An LSN or `slot`, where no checkpoint says where to go on. */
  readonly start: string | undefined
  /** Undefined is stdout. */
  readonly output: string | undefined
  /** Whether the output is in parts. */
  readonly rotates: boolean
  readonly checkpoint: string | undefined
  readonly publications: readonly string[]
}

/** How a run continues. */
export interface Resumption {
  /** What the feed starts from. */
  readonly start: Position | string | undefined
  /** What the output is cut back to. */
  readonly extent: Extent
}

/**
 * Decides how a run with a checkpoint continues: from the checkpoint's position, the output cut back to what it covers.
 *
 * While nothing but a snapshot was written, or nothing at all, the feed begins again, and with it the output. A feed
 * whose `--start` was given has no position until its first batch; its checkpoint is made before anything is written,
 * or a killed run would leave an output that no checkpoint explains.
 *
 * @param checkpoint what is stored, undefined the first time
 * A part that is complete is never touched: where the copy went on into another one, only this is cut back, and the copy
 * that follows says that it replaces.
 *
 * @param outputSize bytes in the output as it is now, of all its parts where there is no checkpoint, else of the one that
 * this names; undefined where there is none
 * @throws {WalwireError} where continuing would lose or repeat something
 */
export function resume(
  request: RunRequest,
  checkpoint: Checkpoint | undefined,
  outputSize: number | undefined,
): Resumption {
  if (checkpoint === undefined) {
    if (request.output !== undefined && (outputSize ?? 0) > 0) {
      throw new WalwireError('output_not_empty', {
        what: `the output ${request.output} cannot be continued`,
        why: `it has ${outputSize} bytes in it, and there is no checkpoint ${request.checkpoint} that says what they are`,
        hint: 'restore the checkpoint; or begin anew: move the output away, and drop the slot that it came from',
      })
    }
    return { start: request.start, extent: { part: request.rotates ? 1 : 0, begun: undefined, length: 0 } }
  }
  const { output, position, start } = checkpoint
  if (output?.path !== request.output) {
    throw new WalwireError('checkpoint_output', {
      what: `the checkpoint ${request.checkpoint} is of another output`,
      why: `it covers ${output?.path ?? 'stdout'}, and this run would write to ${request.output ?? 'stdout'}`,
      hint: 'use the same output as before, or another checkpoint with a slot of its own',
    })
  }
  const part = output?.part ?? 0
  if (part > 0 && output !== null && !request.rotates) {
    throw new WalwireError('checkpoint_output', {
      what: `the checkpoint ${request.checkpoint} is of an output in parts`,
      why: `it covers ${partPath(output.path, part)} and the parts before it, and this run would write to ${output.path} alone`,
      hint: 'give rotate as before, with whatever limits, or another checkpoint and output with a slot of its own',
    })
  }
  const nothing = { part, begun: undefined, length: 0 }
  if (request.start !== undefined && request.start !== start) {
    throw new WalwireError('checkpoint_start', {
      what: `the start ${request.start} contradicts the checkpoint ${request.checkpoint}`,
      why: `it already says where to continue, and was begun ${start === null ? 'without a start' : `with the start ${start}`}`,
      hint: 'leave out the start, or use another checkpoint and output',
    })
  }
  if (position === null) return { start: start ?? undefined, extent: nothing }
  const before = position.options.publications
  if (before.length !== request.publications.length || before.some((name) => !request.publications.includes(name))) {
    throw new WalwireError('checkpoint_publications', {
      what: `the checkpoint ${request.checkpoint} is of other publications`,
      why: `it follows ${before.join(', ')}, and this run would follow ${request.publications.join(', ')}, whose rows were not copied`,
      hint: 'give the same publications as before, or begin anew with another slot, checkpoint and output',
    })
  }
  // a copy begins again, behind what the feed had written before it
  const length = position.phase === 'stream' ? (output?.length ?? 0) : (output?.copiedFrom ?? 0)
  if (output !== null && (outputSize ?? 0) < length) {
    throw new WalwireError('output_shorter', {
      what: `the output ${partPath(output.path, part)} is shorter than its checkpoint says`,
      why: `it has ${outputSize ?? 0} bytes, and the checkpoint ${request.checkpoint} covers ${length}`,
      hint: 'restore the output; or begin anew: remove the checkpoint, empty the output, and drop the slot',
    })
  }
  return { start: position, extent: { part, begun: output?.begun, length } }
}
