/** Where test servers come from: see README.md in this folder. */
export type Provider = { kind: 'binaries' } | { kind: 'testcontainers' } | { kind: 'given'; uri: string }

/** Reads WALWIRE_TEST_SERVER. @throws Error where it is something else than a URI or `testcontainers`. */
export function provider(value = process.env.WALWIRE_TEST_SERVER): Provider {
  if (value === undefined || value === '') return { kind: 'binaries' }
  if (value === 'testcontainers') return { kind: 'testcontainers' }
  if (/^postgres(ql)?:\/\//.test(value)) return { kind: 'given', uri: value }
  throw new Error(`WALWIRE_TEST_SERVER is "${value}"; it takes a postgres:// URI, "testcontainers", or nothing`)
}
