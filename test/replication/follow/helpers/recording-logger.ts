import type { Logger } from '../../../../src/index.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface LogLine {
  readonly level: LogLevel
  readonly data: object
  readonly message: string
}

/** Keeps what a feed logs. */
export function recordingLogger(): Logger & { lines(level?: LogLevel): LogLine[] } {
  const lines: LogLine[] = []
  const record = (level: LogLevel) => (data: object, message: string) => {
    lines.push({ level, data, message })
  }
  return {
    debug: record('debug'),
    info: record('info'),
    warn: record('warn'),
    error: record('error'),
    lines: (level) => lines.filter((line) => level === undefined || line.level === level),
  }
}
