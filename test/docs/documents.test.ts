import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { blocksOf, documents, readDocument, repository } from './documents.ts'

describe('blocks', () => {
  const text = (lines: string) => blocksOf('x.md', lines)

  test('are found with their language, line and note, whatever is in them', () => {
    expect(text('# X\n\n<!-- test: a note -->\n```ts\na\n\nb\n```\n\n````\n```\n````\n')).toEqual([
      { document: 'x.md', line: 4, language: 'ts', note: 'a note', text: 'a\n\nb' },
      { document: 'x.md', line: 10, language: '', note: undefined, text: '```' },
    ])
  })

  test('that are not closed, and notes that stand alone, are mistakes', () => {
    expect(() => text('```ts\na\n')).toThrow('x.md:1: a block that is not closed')
    expect(() => text('<!-- test: a note -->\nwords\n```ts\n```')).toThrow('x.md:1: a note for a test without a block')
  })
})

test('all documents are found', () => {
  expect(documents).toEqual(
    expect.arrayContaining(['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/errors.md']),
  )
})

/** A heading's anchor, as the common hosts of repositories make it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-')
}

function anchorsOf(document: string): string[] {
  return readDocument(document)
    .split('\n')
    .filter((line) => /^#+ /.test(line))
    .map((line) => anchorOf(line.replace(/^#+ /, '')))
}

/** What a document's links and pictures point to, without those that lead out of the repository. */
function linksOf(document: string): string[] {
  const prose = blocksOf(document).reduce((text, block) => text.replace(block.text, ''), readDocument(document))
  return [...prose.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)]
    .map(([, markdown, html]) => markdown ?? html ?? '')
    .filter((target) => !/^(https?|mailto):/.test(target))
}

describe.each(documents)('%s', (document) => {
  test('links to what exists, down to the heading', () => {
    const broken = linksOf(document).filter((link) => {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? document : join(dirname(document), path)
      if (!existsSync(join(repository, target))) return true
      return anchor !== undefined && !anchorsOf(target).includes(anchor)
    })
    expect(broken).toEqual([])
  })

  test('has no comment behind a command, which zsh would hand to it where somebody types it', () => {
    const commands = blocksOf(document).filter(({ language }) => language === 'sh')
    expect(commands.flatMap(({ text }) => text.split('\n')).filter((line) => /\S.*\s#/.test(line))).toEqual([])
  })

  test('says nothing of any machine that it was written on', () => {
    expect(readDocument(document)).not.toMatch(/(?<![\w.])\/(work|root|home)\/|\/tmp\/wt/)
  })
})
