import type { PostgresModule } from '../../fuzz/writing-session.ts'
import { CommandError } from '../command-error.ts'

/**
 * Loads what this command alone needs.
 *
 * @throws {CommandError} `package_missing` with the command that installs what is missing
 */
export async function loadPackages(
  load: { readonly postgres: () => Promise<PostgresModule>; readonly fastCheck: () => Promise<unknown> } = {
    postgres: async () => (await import('postgres')).default,
    fastCheck: () => import('fast-check'),
  },
): Promise<PostgresModule> {
  const [postgres, fastCheck] = await Promise.allSettled([load.postgres(), load.fastCheck()])
  const missing = [
    ...(fastCheck.status === 'rejected' ? [{ name: 'fast-check', cause: fastCheck.reason }] : []),
    ...(postgres.status === 'rejected' ? [{ name: 'postgres', cause: postgres.reason }] : []),
  ]
  if (postgres.status === 'fulfilled' && missing.length === 0) return postgres.value
  const names = missing.map(({ name }) => name)
  throw new CommandError('package_missing', {
    what: 'walwire fuzz cannot be run',
    why: `it needs the package${names.length > 1 ? 's' : ''} ${names.join(' and ')}, which ${names.length > 1 ? 'are' : 'is'} not installed`,
    hint: `npm install ${names.join(' ')}`,
    cause: missing[0]?.cause,
  })
}
