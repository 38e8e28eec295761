import type { Target } from './target.ts'
import { answersTarget } from './targets/answers.ts'
import { backendTarget } from './targets/backend.ts'
import { connectionUriTarget } from './targets/connection-uri.ts'
import { conversationTarget, frontendTarget } from './targets/frontend.ts'
import { numericTarget } from './targets/numeric.ts'
import { pgoutputTarget } from './targets/pgoutput.ts'
import { pgpassTarget } from './targets/pgpass.ts'
import { positionTarget } from './targets/position.ts'
import { copyBinaryTarget, copyTextTarget, tupleTarget } from './targets/rows.ts'
import { scramTarget } from './targets/scram.ts'
import { streamTarget } from './targets/stream.ts'
import { binaryValuesTarget, textValuesTarget } from './targets/values.ts'

/** Everything that can be tried, in the order of a run. */
export const allTargets: readonly Target[] = [
  pgoutputTarget,
  streamTarget,
  backendTarget,
  frontendTarget,
  conversationTarget,
  scramTarget,
  answersTarget,
  tupleTarget,
  copyTextTarget,
  copyBinaryTarget,
  textValuesTarget,
  binaryValuesTarget,
  numericTarget,
  connectionUriTarget,
  pgpassTarget,
  positionTarget,
]
