import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const repository = join(import.meta.dirname, '../..')

/** A fenced block of a document. */
export interface Block {
  readonly document: string
  /** Of the fence that opens it, from 1. */
  readonly line: number
  /** The first word behind the fence; '' where there is none. */
  readonly language: string
  /** What a comment `<!-- test: … -->` right before the block says, which readers do not see. */
  readonly note: string | undefined
  readonly text: string
}

/** The documents whose blocks are run, as paths below the repository: those at its top, and all in docs and examples. */
export const documents: readonly string[] = ['', 'docs', 'examples', '.github']
  .flatMap((folder) => markdownIn(folder))
  .sort()

function markdownIn(folder: string): string[] {
  if (!existsSync(join(repository, folder))) return []
  const recursive = folder !== ''
  return readdirSync(join(repository, folder), { recursive, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
}

export function readDocument(path: string): string {
  return readFileSync(join(repository, path), 'utf8')
}

const fence = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)/
const note = /^ {0,3}<!-- test: (.*?) -->$/

/** The blocks of a document, in order. @throws Error for one that is not closed, and for a note without a block. */
export function blocksOf(document: string, text = readDocument(document)): Block[] {
  const blocks: Block[] = []
  const lines = text.split('\n')
  let noted: string | undefined
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    const [, opened, language = ''] = fence.exec(line) ?? []
    if (opened === undefined) {
      if (noted !== undefined) throw new Error(`${document}:${index}: a note for a test without a block behind it`)
      noted = note.exec(line)?.[1]
      continue
    }
    const end = lines.findIndex((other, at) => at > index && other.trim() === opened)
    if (end < 0) throw new Error(`${document}:${index + 1}: a block that is not closed`)
    blocks.push({
      document,
      line: index + 1,
      language,
      note: noted,
      text: lines.slice(index + 1, end).join('\n'),
    })
    noted = undefined
    index = end
  }
  return blocks
}
