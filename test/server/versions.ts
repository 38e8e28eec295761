import { inject } from 'vitest'
import { findBinaries } from './binaries.ts'
import { provider } from './provider.ts'

/** The major versions that walwire supports. */
export const supportedVersions: readonly number[] = [14, 15, 16, 17, 18]

/**
 * The versions named in WALWIRE_TEST_VERSIONS; 17 where it is not set.
 * @throws Error where the list names what is not a supported version.
 */
export function parseVersions(list: string | undefined): number[] {
  if (list === undefined || list.trim() === '') return [17]
  const versions = list.split(',').map((text) => {
    const version = Number(text.trim())
    if (!supportedVersions.includes(version)) {
      throw new Error(`WALWIRE_TEST_VERSIONS names "${text.trim()}"; it takes a comma list of ${supportedVersions}`)
    }
    return version
  })
  return [...new Set(versions)]
}

/**
 * The major versions that the integration suites of this run are for: `describe.each(testVersions())`.
 * With a server given by WALWIRE_TEST_SERVER it is the version of that server.
 * @throws Error where the binaries of a version are not installed: a version is never skipped in silence.
 */
export function testVersions(): number[] {
  const chosen = provider()
  if (chosen.kind === 'given') return [inject('givenServer').version]
  const versions = parseVersions(process.env.WALWIRE_TEST_VERSIONS)
  if (chosen.kind === 'binaries') for (const version of versions) findBinaries(version)
  return versions
}

/**
 * The oldest and the newest of {@link testVersions}: for suites that take long, of what does not depend on the server or is
 * tried on each version elsewhere.
 */
export function outerVersions(): number[] {
  const versions = testVersions()
  return versions.filter((version) => version === Math.min(...versions) || version === Math.max(...versions))
}
