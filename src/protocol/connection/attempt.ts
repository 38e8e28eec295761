import type { Duplex } from 'node:stream'
import { WalwireError } from '../messages/errors.ts'
import { patienceMs, reminderMs } from './within.ts'

/** What bounds an attempt. */
export interface AttemptLimits {
  /** 0 is no limit. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Completes "could not …", for the error at the limit. */
  readonly what: string
  /** Called when it takes longer than {@link patienceMs}, and every {@link reminderMs} from then on, with its step. */
  readonly onSlow?: ((step: string) => void) | undefined
}

/** An attempt that is under way: says what it waits for, and owns the streams that must go when it fails. */
export class Attempt {
  /** Completes "… no answer came while …". */
  step = 'connecting'
  readonly #streams = new Set<Duplex>()
  #abandoned = false

  /** The stream is destroyed when the attempt fails, at once if it already has (a `connect` that came too late). */
  own<S extends Duplex>(stream: S): S {
    this.#streams.add(stream)
    // between two steps nobody listens, and an error that nobody listens to would end the process
    stream.on('error', () => {})
    if (this.#abandoned) stream.destroy()
    return stream
  }

  abandon(): void {
    this.#abandoned = true
    for (const stream of this.#streams) stream.destroy()
  }
}

/**
 * Does something within a limit of time, all its steps together. When it fails, whatever the reason, every stream that
 * it opened is destroyed.
 *
 * @throws {WalwireError} `connect_timeout`; the signal's reason; what `work` throws
 */
export function withinLimits<T>(limits: AttemptLimits, work: (attempt: Attempt) => Promise<T>): Promise<T> {
  const { signal, timeoutMs, onSlow } = limits
  const attempt = new Attempt()
  return new Promise<T>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    let slow: NodeJS.Timeout | undefined
    const release = (): void => {
      clearTimeout(timer)
      clearTimeout(slow)
      signal?.removeEventListener('abort', onAbort)
    }
    const fail = (error: unknown): void => {
      release()
      attempt.abandon()
      reject(error)
    }
    const onAbort = (): void => fail(signal?.reason)
    if (signal?.aborted) return fail(signal.reason)
    signal?.addEventListener('abort', onAbort)
    if (timeoutMs > 0) timer = setTimeout(() => fail(timedOut(limits, attempt)), timeoutMs)
    const remind = (): void => {
      onSlow?.(attempt.step)
      slow = setTimeout(remind, reminderMs)
    }
    slow = setTimeout(remind, patienceMs)
    work(attempt).then((result) => {
      release()
      resolve(result)
    }, fail)
  })
}

function timedOut(limits: AttemptLimits, attempt: Attempt): WalwireError {
  return new WalwireError('connect_timeout', {
    what: `could not ${limits.what}`,
    why: `no answer came within ${limits.timeoutMs / 1000} s while ${attempt.step}`,
    hint: 'check host, port and firewall, and that the server is not overloaded; connect_timeout sets the limit',
  })
}
