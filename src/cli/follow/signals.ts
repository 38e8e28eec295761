/** The signals that ask for an end. */
const endingSignals = ['SIGINT', 'SIGTERM'] as const

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
  const onSignal = (name: NodeJS.Signals, number: number) => {
    if (controller.signal.aborted) exit(128 + number)
    else controller.abort(name)
  }
  for (const name of endingSignals) process.on(name, onSignal)
  return {
    stop: controller.signal,
    dispose() {
      for (const name of endingSignals) process.off(name, onSignal)
    },
  }
}
