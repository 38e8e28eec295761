import { writeSync } from 'node:fs'
import { oneLine } from '../protocol/messages/one-line.ts'
import type { Logger } from '../replication/logger.ts'
import { CommandError } from './command-error.ts'
import { errorLines, reportOf } from './error-report.ts'

/** How much is said on stderr: everything up to this. */
export const logLevels = ['error', 'warn', 'info', 'debug'] as const
/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number]

/** Where the command says how it goes. Data never comes here. */
export interface Diagnostics {
  readonly logger: Logger
  /** Says what the command failed of, as the last thing. */
  fail(error: unknown): void
}

/** Readable lines: `info  snapshot finished (table: public.orders, rows: 500)`. */
export function plainDiagnostics(level: LogLevel, write: (text: string) => void = writeToStderr): Diagnostics {
  const loud = logLevels.indexOf(level)
  const say = (at: LogLevel) => (data: object, message: string) => {
    if (logLevels.indexOf(at) <= loud) write(`${at.padEnd(5)} ${oneLine(message)}${details(data)}\n`)
  }
  return {
    logger: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
    fail(error) {
      for (const line of errorLines(error, { stack: level === 'debug' })) write(`${line}\n`)
    },
  }
}

/** The part of the package pino that is used. */
type PinoModule = Pick<typeof import('pino'), 'pino'>

/** One JSON object a line, as pino writes them. */
export async function jsonDiagnostics(
  level: LogLevel,
  loadPino: () => Promise<PinoModule> = () => import('pino'),
): Promise<Diagnostics> {
  const { pino } = await loadPino().catch((cause: unknown) => {
    throw new CommandError('package_missing', {
      what: '--log json cannot be used',
      why: 'it needs the package pino, which is not installed',
      hint: 'npm install pino',
      cause,
    })
  })
  // sync: the last line must be out before the process ends
  const logger = pino({ level, base: null }, pino.destination({ fd: 2, sync: true }))
  return {
    logger,
    fail(error) {
      const { code, what, why, hint } = reportOf(error)
      logger.error({ code, why, hint, ...(level === 'debug' ? { err: error } : undefined) }, what)
    },
  }
}

function details(data: object): string {
  const parts = Object.entries(data)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${oneLine(asText(value))}`)
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

function asText(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'bigint') return String(value)
  if (value instanceof Error) return value.message
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)) ?? ''
}

/**
 * Writes to stderr before it returns, so that an error is said even when the process ends right after. A pipe that is
 * full for a moment is tried again; one that nobody reads any more is given up.
 */
export function writeToStderr(text: string): void {
  const bytes = Buffer.from(text)
  for (let written = 0, tries = 0; written < bytes.length && tries < 1000; ) {
    try {
      written += writeSync(2, bytes, written)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return
      tries++
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}
