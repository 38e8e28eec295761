import { Worker } from 'node:worker_threads'
import type { ShareRequest, ShareResult } from '../../fuzz/share.ts'
import type { ConnectionInput } from '../../protocol/connection/connection-options.ts'
import type { ShareWatch } from './fuzz.ts'
import { errorOf, type ShareMessage, type ShareTask } from './share-messages.ts'

/** A round's values live about as long as this memory lasts: with less, most are copied before they are dropped. */
const youngGenerationMegabytes = 64

/** Tries a share in a thread of its own: making, reading and comparing values takes far more time here than on the server. */
export function tryShareInThread(
  server: ConnectionInput,
  request: ShareRequest,
  { onDatabase, onProgress }: ShareWatch,
  stop: AbortSignal,
): Promise<ShareResult> {
  const workerData: ShareTask = { server, request }
  const worker = new Worker(new URL('./share-thread.js', import.meta.url), {
    workerData,
    resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMegabytes },
  })
  return new Promise((resolve, reject) => {
    const onStop = () => worker.postMessage(String(stop.reason))
    stop.addEventListener('abort', onStop)
    if (stop.aborted) onStop()
    worker.on('message', (message: ShareMessage) => {
      if (message.kind === 'database') onDatabase(message.name)
      else if (message.kind === 'progress') onProgress(message.progress)
      else if (message.kind === 'result') resolve(message.result)
      else reject(errorOf(message.failure))
    })
    worker.on('error', reject)
    worker.on('exit', () => {
      stop.removeEventListener('abort', onStop)
      reject(new Error('a thread of walwire fuzz ended without a word'))
    })
  })
}
