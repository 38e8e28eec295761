const lookEveryMs = 500

/**
 * Aborted when the process that started this one has gone: npm, killed, would leave the demo behind for ever, and nobody
 * looks at it any more.
 */
export function watchParent(): { readonly gone: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid !== parent) controller.abort('the end of the process that started it')
  }, lookEveryMs)
  timer.unref()
  return { gone: controller.signal, dispose: () => clearInterval(timer) }
}
