import { describe, expect, test } from 'vitest'
import { adoptHelp, adoptOptionKinds, adoptOptions } from '../../src/cli/adopt/adopt-options.ts'
import { demoHelp, demoOptionKinds, demoOptions } from '../../src/cli/demo/demo-options.ts'
import { followHelp } from '../../src/cli/follow/follow-help.ts'
import { followOptionKinds, followOptions } from '../../src/cli/follow/follow-options.ts'
import { fuzzHelp, fuzzOptionKinds, fuzzOptions } from '../../src/cli/fuzz/fuzz-options.ts'
import type { CommandOption, OptionSections } from '../../src/cli/option-help.ts'

const commands: readonly [name: string, help: string, sections: OptionSections, known: readonly string[]][] = [
  ['follow', followHelp, followOptions, Object.keys(followOptionKinds)],
  ['adopt', adoptHelp, adoptOptions, Object.keys(adoptOptionKinds)],
  ['fuzz', fuzzHelp, fuzzOptions, Object.keys(fuzzOptionKinds)],
  ['demo', demoHelp, demoOptions, Object.keys(demoOptionKinds)],
]

describe.each(commands)('walwire %s --help', (_, help, sections, known) => {
  const options = Object.values(sections).flatMap((section) => Object.entries<CommandOption>(section))

  test('lists every option that the parser knows', () => {
    expect(known.length).toBeGreaterThan(3)
    for (const name of known) expect(help).toMatch(new RegExp(`^  --${name}\\b`, 'm'))
  })

  test.each(options)('says what --%s does, what holds without it, and gives an example', (name, option) => {
    expect(option.text).not.toBe('')
    if (option.kind === 'flag') return
    expect(option.value, 'what the value is called').toBeDefined()
    expect(option.example, 'an example').toBeDefined()
    expect(help).toContain(`e.g. --${name} ${option.example}`)
  })

  test('fits into a terminal', () => {
    for (const line of help.split('\n')) expect(line.length, line).toBeLessThanOrEqual(120)
  })
})
