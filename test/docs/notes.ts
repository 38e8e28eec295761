import type { Block } from './documents.ts'

/** What a block's note says, in the words of CONTRIBUTING.md: `<!-- test: goes on, after Ctrl-C -->`. */
export interface Notes {
  /** The block's commands, or its program, do not end by themselves. */
  readonly goesOn: boolean
  /** What goes on is interrupted before. */
  readonly afterCtrlC: boolean
  /** What goes on is killed before. */
  readonly afterKill: boolean
  /** The last program, or the last commands, are started once more before. */
  readonly again: boolean
  /** The exit code that the commands end with. */
  readonly exitCode: number
  /** The output of the commands, or program, before. */
  readonly printed: boolean
  /** There is nothing to run: a picture in letters, words for people. */
  readonly drawing: boolean
  /** The major version from which on the server takes the statements. */
  readonly fromVersion: number
  /** What the program takes for granted. */
  readonly given: string | undefined
  /** What a JSON text is an example of. */
  readonly like: string | undefined
  /** Why it is not run: a program is only compiled, and a shell only looks whether it could run it. */
  readonly whyNotRun: string | undefined
}

const patterns: Readonly<Record<keyof Notes, RegExp>> = {
  goesOn: /^goes on$/,
  afterCtrlC: /^after Ctrl-C$/,
  afterKill: /^after kill -9$/,
  again: /^run again$/,
  exitCode: /^fails with (\d)$/,
  printed: /^printed$/,
  drawing: /^a drawing$/,
  fromVersion: /^from PostgreSQL (\d+)$/,
  given: /^given (\w+)$/,
  like: /^like a (\w+)$/,
  whyNotRun: /^only (?:compiled|parsed): (.+)$/,
}

/** @throws Error for words that nothing understands */
export function notesOf({ document, line, note }: Block): Notes {
  const said = new Map<string, string>()
  for (const words of note?.split(', ') ?? []) {
    const found = Object.entries(patterns).find(([, pattern]) => pattern.test(words))
    if (found === undefined) throw new Error(`${document}:${line}: a note that nothing understands: ${words}`)
    said.set(found[0], found[1].exec(words)?.[1] ?? '')
  }
  return {
    goesOn: said.has('goesOn'),
    afterCtrlC: said.has('afterCtrlC'),
    afterKill: said.has('afterKill'),
    again: said.has('again'),
    exitCode: Number(said.get('exitCode') ?? 0),
    printed: said.has('printed'),
    drawing: said.has('drawing'),
    fromVersion: Number(said.get('fromVersion') ?? 0),
    given: said.get('given'),
    like: said.get('like'),
    whyNotRun: said.get('whyNotRun'),
  }
}
