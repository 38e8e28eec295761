import { parentPort, workerData } from 'node:worker_threads'
import { tryShare } from '../../fuzz/share.ts'
import { resolveConnection } from '../../protocol/connection/resolve-connection.ts'
import { plainDiagnostics } from '../diagnostics.ts'
import { chooseTypes } from './fuzz-arguments.ts'
import { loadPackages } from './fuzz-packages.ts'
import { failureOf, isShareTask, type ShareMessage } from './share-messages.ts'

/* A thread that tries one share: it is told what by its workerData, told to stop by any message, and tells what came of it. */

if (parentPort === null || !isShareTask(workerData)) throw new Error('this runs in a thread of walwire fuzz')
const port = parentPort
const tell = (message: ShareMessage) => port.postMessage(message)
const controller = new AbortController()
port.on('message', (reason) => controller.abort(reason))
try {
  const { server, request } = workerData
  const { logger } = plainDiagnostics('warn')
  const result = await tryShare(request, {
    postgres: await loadPackages(),
    server: await resolveConnection(server),
    choose: chooseTypes,
    logger,
    stop: controller.signal,
    onDatabase: (name) => tell({ kind: 'database', name }),
    onProgress: ({ values, mismatches }) => tell({ kind: 'progress', progress: { values, mismatches } }),
  })
  tell({ kind: 'result', result })
} catch (error) {
  tell({ kind: 'failure', failure: failureOf(error) })
}
port.close()
