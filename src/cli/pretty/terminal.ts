import type { WriteStream } from 'node:tty'

/** Where lines for people go, and what it can do. */
export interface Terminal {
  /** Cells in a line; Infinity for what is no terminal, where lines are not broken. */
  readonly columns: number
  readonly colour: boolean
  /** Whether what was written can be replaced: a terminal that moves its cursor. */
  readonly live: boolean
}

/** The part of a stream that says what it is. */
export type MaybeTerminal = Partial<Pick<WriteStream, 'isTTY' | 'columns'>>

const usualColumns = 80

/**
 * What a stream is, in this environment: FORCE_COLOR before NO_COLOR, as Node has it, and both before what the stream
 * can do.
 *
 * @param stream undefined for a file
 * @see https://no-color.org and https://force-color.org
 */
export function terminalOf(stream: MaybeTerminal | undefined, env: NodeJS.ProcessEnv = process.env): Terminal {
  const isTerminal = stream?.isTTY === true
  const live = isTerminal && env.TERM !== 'dumb'
  return {
    // read each time: people change the size of their windows
    get columns() {
      return isTerminal ? stream.columns || usualColumns : Number.POSITIVE_INFINITY
    },
    colour: forced(env.FORCE_COLOR) ?? (env.NO_COLOR ? false : live),
    live,
  }
}

function forced(value: string | undefined): boolean | undefined {
  return value === undefined ? undefined : value !== '0' && value !== 'false'
}
