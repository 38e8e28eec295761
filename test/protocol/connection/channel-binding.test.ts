import { createHash, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { serverEndPoint } from '../../../src/protocol/connection/channel-binding.ts'
import { tlsFixtures } from '../../server/index.ts'

const der = (pem: string): Uint8Array => new X509Certificate(pem).raw

const tlv = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts)
  const length = content.length < 0x80 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

/** What a certificate looks like from outside, with this signature algorithm. */
const certificate = (...algorithm: Uint8Array[]): Buffer =>
  tlv(0x30, tlv(0x30, Buffer.alloc(300, 1)), tlv(0x30, ...algorithm), tlv(0x03, Buffer.alloc(10)))

const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'))
const rsaPss = oid('2a864886f70d01010a')

describe('the hash that SCRAM is bound to', () => {
  test.each([
    ['SHA-256', tlsFixtures.localhost.cert.pem, 'sha256'],
    ['SHA-384', tlsFixtures.otherHost.cert.pem, 'sha384'],
  ])('is that of the signature: %s', (_, pem, hash) => {
    expect(serverEndPoint(der(pem))).toEqual(createHash(hash).update(der(pem)).digest())
  })

  test.each<[string, Buffer, string | undefined]>([
    ['MD5 with RSA, which is too weak', certificate(oid('2a864886f70d010104')), 'sha256'],
    ['SHA-1 with RSA, which is too weak', certificate(oid('2a864886f70d010105')), 'sha256'],
    ['SHA-512 with RSA', certificate(oid('2a864886f70d01010d')), 'sha512'],
    ['SHA-1 with ECDSA, which is too weak', certificate(oid('2a8648ce3d0401')), 'sha256'],
    ['SHA-384 with ECDSA', certificate(oid('2a8648ce3d040303')), 'sha384'],
    [
      'SHA-512 in the parameters of RSASSA-PSS',
      certificate(rsaPss, tlv(0x30, tlv(0xa0, tlv(0x30, oid('608648016503040203'))))),
      'sha512',
    ],
    ['SHA-1, the default of RSASSA-PSS', certificate(rsaPss, tlv(0x30)), 'sha256'],
    ['none: Ed25519', certificate(oid('2b6570')), undefined],
    ['nothing at all', certificate(), undefined],
  ])('is found for %s', (_, bytes, hash) => {
    const expected = hash === undefined ? undefined : createHash(hash).update(bytes).digest()
    expect(serverEndPoint(bytes)).toEqual(expected)
  })

  test('is not there, and nothing else happens, for bytes that are no certificate', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void serverEndPoint(bytes)))
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const bytes = Buffer.from(der(tlsFixtures.localhost.cert.pem))
        bytes[at % bytes.length] = byte
        serverEndPoint(bytes)
      }),
    )
  })
})
