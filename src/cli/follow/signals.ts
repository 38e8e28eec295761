/** The signals that ask for an end. A terminal that is closed sends SIGHUP: a slot of which nothing was stored must go then too. */
const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * A press of Ctrl-C reaches the whole process group, and npm hands it on to us once more: the same signal again within
 * this time is the same press.
 */
const samePressMs = 250

/** Signals that a command listens to. */
export interface SignalWatch {
  /** Aborted by the first signal, whose name is the reason. */
  readonly stop: AbortSignal
  /** The process does with signals what it did before. */
  dispose(): void
}

/**
 * Listens for the signals that ask for an end. The first one asks for a clean one; the second does not wait for it, and
 * ends the process with the exit code of a signal, as a shell gives it.
 */
export function watchSignals(exit: (code: number) => void = process.exit): SignalWatch {
  const controller = new AbortController()
  let first: { name: NodeJS.Signals; at: number } | undefined
  const onSignal = (name: NodeJS.Signals, number: number) => {
    if (first === undefined) {
      first = { name, at: performance.now() }
      controller.abort(name)
    } else if (name !== first.name || performance.now() - first.at > samePressMs) {
      exit(128 + number)
    }
  }
  for (const name of endingSignals) process.on(name, onSignal)
  return {
    stop: controller.signal,
    dispose() {
      for (const name of endingSignals) process.off(name, onSignal)
    },
  }
}
