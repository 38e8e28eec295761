import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const text = readFileSync(new URL('../docs/traps.md', import.meta.url), 'utf8')

/** The rows of a section's table: number, what, file, name. */
function rowsOf(section: string): string[][] {
  const [, part = ''] = text.split(`\n## ${section}\n`)
  const [own = ''] = part.split('\n## ')
  return [...own.matchAll(/^\| (\d.*) \|$/gm)].map(([, row = '']) => row.split(' | '))
}

/** A test's source has its name in quotes of one kind or another. */
function namesTest(file: string, name: string): boolean {
  const url = new URL(file, import.meta.url)
  if (!existsSync(url)) return false
  const source = readFileSync(url, 'utf8')
  return [`'${name}'`, `"${name}"`, `\`${name}\``].some((quoted) => source.includes(quoted))
}

describe.each(['Rules', 'Traps'])('%s', (section) => {
  const rows = rowsOf(section)

  test('each have a test that exists, under this name', () => {
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.filter(([, , file = '', name = '']) => !namesTest(file, name))).toEqual([])
  })

  test('stand in the order of their numbers, each there or said to be still to come', () => {
    const numbers = rows.map(([number]) => Number(number))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    const [, part = ''] = text.split(`\n## ${section}\n`)
    const [, later = ''] = (part.split('\n## ')[0] ?? '').split('Still to come:')
    const waiting = [...later.matchAll(/\((\d[\d, to]*)\)/g)].flatMap(([, list = '']) =>
      list.split(', ').flatMap(range),
    )
    const all = new Set([...numbers, ...waiting])
    const last = Math.max(...all)
    expect(Array.from({ length: last }, (_, index) => index + 1).filter((number) => !all.has(number))).toEqual([])
  })
})

/** `20 to 24`, or one number. */
function range(text: string): number[] {
  const [first = 0, last = first] = text.split(' to ').map(Number)
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
