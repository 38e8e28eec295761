import type { OptionKind } from './arguments.ts'

/** An option, for the parser and for the help alike, so that neither knows one that the other does not. */
export interface CommandOption {
  readonly kind: OptionKind
  /** What the value is called; undefined for a flag. */
  readonly value?: string | undefined
  /** What it does. */
  readonly text: string
  /** What holds where it is not given, if that is not nothing. */
  readonly byDefault?: string | undefined
  /** What follows the option's name, for one. */
  readonly example?: string | undefined
}

/** Options under headings, in the order of the help. */
export type OptionSections = Readonly<Record<string, Readonly<Record<string, CommandOption>>>>

/** What the parser needs to know of the options. */
export function optionKinds(sections: OptionSections): Readonly<Record<string, OptionKind>> {
  return Object.fromEntries(
    Object.values(sections).flatMap((options) => Object.entries(options).map(([name, { kind }]) => [name, kind])),
  )
}

const columns = 110
const indent = 28

/** The options as `--help` lists them: what each does, its default, and an example. */
export function optionHelp(sections: OptionSections): string {
  return Object.entries(sections)
    .map(([heading, options]) => `${heading}\n${Object.entries(options).map(helpOf).join('')}`)
    .join('\n')
}

function helpOf([name, { value, text, byDefault, example }]: [string, CommandOption]): string {
  const head = `  --${name}${value === undefined ? '' : ` ${value}`}`
  const notes = [
    ...(byDefault === undefined ? [] : [`default: ${byDefault}`]),
    ...(example === undefined ? [] : [`e.g. --${name} ${example}`]),
  ]
  const oneNote = notes.join('; ')
  const noteLines = indent + oneNote.length > columns ? notes.flatMap(wrapWords) : wrapWords(oneNote)
  const lines = [...wrapWords(text), ...noteLines].map((line) => `${' '.repeat(indent)}${line}`)
  const first = lines[0] ?? ''
  // a long head has a line of its own
  const begin = head.length < indent - 1 ? `${head.padEnd(indent)}${first.slice(indent)}` : `${head}\n${first}`
  return `${[begin, ...lines.slice(1)].join('\n')}\n`
}

function wrapWords(text: string): string[] {
  if (text === '') return []
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > columns) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
