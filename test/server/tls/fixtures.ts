import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A PEM file for tests: libpq-like options want the path, `tls.connect` the text. */
export interface PemFile {
  readonly path: string
  readonly pem: string
}

function pemFile(name: string): PemFile {
  const path = fileURLToPath(new URL(name, import.meta.url))
  return { path, pem: readFileSync(path, 'utf8') }
}

/** Certificates for tests alone, valid from 2020 to 2120; the keys of both authorities were thrown away. */
export const tlsFixtures = {
  /** Signed all certificates below. */
  ca: pemFile('ca.crt'),
  /** An authority that signed none of them. */
  unknownCa: pemFile('unknown-ca.crt'),
  /** For `localhost`, 127.0.0.1 and ::1; signed with SHA-256. */
  localhost: { cert: pemFile('localhost.crt'), key: pemFile('localhost.key') },
  /** For `db.walwire.test` alone; an RSA key, signed with SHA-384, which changes the hash of channel binding. */
  otherHost: { cert: pemFile('other-host.crt'), key: pemFile('other-host.key') },
  /** A client's, with the common name `postgres`. */
  client: { cert: pemFile('client.crt'), key: pemFile('client.key') },
} as const
