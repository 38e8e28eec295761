import { createHash } from 'node:crypto'

/** How SCRAM is tied to the TLS connection that it runs over, as its first message says it. */
export type ChannelBinding =
  /** `n`: this side does not do it: there is no TLS, or it is switched off. */
  | { readonly kind: 'none' }
  /** `y`: this side would, and thinks that the server does not. A server that does knows then that somebody removed its offer. */
  | { readonly kind: 'not-offered' }
  /** `p`: with the hash of the server's certificate, which nobody else can use. */
  | { readonly kind: 'tls-server-end-point'; readonly hash: Uint8Array }

/**
 * The channel binding data `tls-server-end-point`: the certificate's hash, by the function that its signature uses, or
 * by SHA-256 where that is MD5 or SHA-1.
 *
 * @param certificate the server's, in DER
 * @returns undefined where the signature has no hash function of its own (Ed25519) or one that is not known here
 * @see https://www.rfc-editor.org/rfc/rfc5929#section-4.1
 */
export function serverEndPoint(certificate: Uint8Array): Uint8Array | undefined {
  const hash = signatureHash(certificate)
  return hash === undefined ? undefined : createHash(hash).update(certificate).digest()
}

const weak = 'sha256'

/** Of signature algorithms, and of the hash functions that RSASSA-PSS names in its parameters. */
const hashes = new Map<string, string>([
  ['1.2.840.113549.1.1.4', weak], // md5WithRSAEncryption
  ['1.2.840.113549.1.1.5', weak], // sha1WithRSAEncryption
  ['1.2.840.113549.1.1.14', 'sha224'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.1', weak], // ecdsa-with-SHA1
  ['1.2.840.10045.4.3.1', 'sha224'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.14.3.2.26', weak], // SHA-1
  ['2.16.840.1.101.3.4.2.4', 'sha224'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
])

const rsassaPss = '1.2.840.113549.1.1.10'
const sequenceTag = 0x30
const oidTag = 0x06
const explicitTag0 = 0xa0

/**
 * `Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm AlgorithmIdentifier, … }`, and
 * `AlgorithmIdentifier ::= SEQUENCE { algorithm OID, parameters … }`. RSASSA-PSS has the hash function in its
 * parameters, `SEQUENCE { [0] AlgorithmIdentifier DEFAULT sha1, … }`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4.1 and https://www.rfc-editor.org/rfc/rfc4055#section-3.1
 */
function signatureHash(certificate: Uint8Array): string | undefined {
  const [outer] = elements(certificate)
  const [, algorithm] = outer?.tag === sequenceTag ? elements(outer.content) : []
  if (algorithm === undefined) return undefined
  const { oid, parameters } = algorithmIdentifier(algorithm)
  if (oid !== rsassaPss) return oid === undefined ? undefined : hashes.get(oid)
  const [explicitHash] = parameters?.tag === sequenceTag ? elements(parameters.content) : []
  if (explicitHash?.tag !== explicitTag0) return weak
  const [hash] = elements(explicitHash.content)
  const named = hash === undefined ? undefined : algorithmIdentifier(hash).oid
  return named === undefined ? undefined : hashes.get(named)
}

function algorithmIdentifier(element: Element): { oid: string | undefined; parameters: Element | undefined } {
  const [algorithm, parameters] = element.tag === sequenceTag ? elements(element.content) : []
  return { oid: algorithm?.tag === oidTag ? objectIdentifier(algorithm.content) : undefined, parameters }
}

interface Element {
  readonly tag: number
  readonly content: Uint8Array
}

/** The elements of DER that follow each other: `tag, length, content`; those before the first that is malformed. */
function elements(der: Uint8Array): Element[] {
  const found: Element[] = []
  let at = 0
  for (;;) {
    const tag = der[at]
    let length = der[at + 1]
    if (tag === undefined || length === undefined) return found
    at += 2
    if (length >= 0x80) {
      const lengthBytes = length & 0x7f
      length = 0
      for (const byte of der.subarray(at, at + lengthBytes)) length = length * 256 + byte
      at += lengthBytes
    }
    if (at + length > der.length) return found
    found.push({ tag, content: der.subarray(at, at + length) })
    at += length
  }
}

/** Base 128, high bit set on all bytes of a number but the last; the first number holds two. */
function objectIdentifier(content: Uint8Array): string {
  const numbers: number[] = []
  let number = 0
  for (const byte of content) {
    number = number * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    if (numbers.length === 0) {
      const first = Math.min(Math.floor(number / 40), 2)
      numbers.push(first, number - first * 40)
    } else {
      numbers.push(number)
    }
    number = 0
  }
  return numbers.join('.')
}
