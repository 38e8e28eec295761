import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes that are in use, garbage included: the heap and what lies beside it. */
export function allocatedBytes(): number {
  const { used_heap_size, external_memory } = getHeapStatistics()
  return used_heap_size + external_memory
}

/** Collects all garbage now. */
export function collectGarbage(): void {
  collect ??= exposeCollector()
  collect()
}

let collect: (() => void) | undefined

function exposeCollector(): () => void {
  // a context that is made after the flag was set has the function; this one was made before
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof gc !== 'function') throw new Error('this engine has no gc()')
  return () => {
    gc()
  }
}
