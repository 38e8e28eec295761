import fc from 'fast-check'
import { serialize } from 'pg-protocol'
import { describe, expect } from 'vitest'
import { encodeFrontend, type FrontendMessage } from '../../../src/protocol/messages/frontend.ts'
import { encodeUntaggedMessage } from '../../../src/protocol/messages/startup-messages.ts'
import { law } from '../../property.ts'
import { frontendMessages, oid, text } from './arbitrary-messages.ts'

const plain = (bytes: Uint8Array): number[] => [...bytes]

/** That both write the same bytes; pg-protocol's must be copied before it writes again. */
function same(theirs: Uint8Array, ours: FrontendMessage): void {
  const expected = plain(theirs)
  expect(plain(encodeFrontend(ours))).toEqual(expected)
}

/** pg-protocol knows no value that is text and bytes at once: strings are text, buffers binary. */
const parameters = fc.array(
  fc.option(
    fc.oneof(
      text,
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    ),
  ),
  { maxLength: 5 },
)

const letter = { statement: 'S', portal: 'P' } as const

describe('byte for byte as pg-protocol writes it, where it does:', () => {
  law(
    'Query',
    fc.property(frontendMessages.Query, (ours) => same(serialize.query(ours.query), ours)),
  )

  law(
    'Parse',
    fc.property(
      fc.string({ maxLength: 63 }).map((name) => name.replaceAll('\0', '')),
      text,
      fc.array(oid),
      (name, query, types) =>
        same(serialize.parse({ name, text: query, types }), {
          type: 'Parse',
          statement: name,
          query,
          parameterTypeOids: types,
        }),
    ),
  )

  law(
    'Bind',
    fc.property(text, text, parameters, fc.boolean(), (portal, statement, values, binary) =>
      same(serialize.bind({ portal, statement, values, binary }), {
        type: 'Bind',
        portal,
        statement,
        parameterFormats: values.map((value) => (Buffer.isBuffer(value) ? 'binary' : 'text')),
        parameters: values.map((value) => (typeof value === 'string' ? new TextEncoder().encode(value) : value)),
        resultFormats: [binary ? 'binary' : 'text'],
      }),
    ),
  )

  law(
    'Execute',
    fc.property(text, fc.nat(0x7fff_ffff), (portal, rows) =>
      same(serialize.execute({ portal, rows }), { type: 'Execute', portal, maximumRows: rows }),
    ),
  )

  law(
    'Describe and Close',
    fc.property(frontendMessages.Describe, (ours) => {
      same(serialize.describe({ type: letter[ours.of], name: ours.name }), ours)
      same(serialize.close({ type: letter[ours.of], name: ours.name }), { ...ours, type: 'Close' })
    }),
  )

  law(
    'CopyData, CopyFail and CopyDone',
    fc.property(fc.uint8Array(), text, (data, message) => {
      same(serialize.copyData(Buffer.from(data)), { type: 'CopyData', data })
      same(serialize.copyFail(message), { type: 'CopyFail', message })
      same(serialize.copyDone(), { type: 'CopyDone' })
    }),
  )

  law(
    'Flush, Sync and Terminate',
    fc.property(fc.constant(null), () => {
      same(serialize.flush(), { type: 'Flush' })
      same(serialize.sync(), { type: 'Sync' })
      same(serialize.end(), { type: 'Terminate' })
    }),
    1,
  )

  law(
    'PasswordMessage, SASLInitialResponse and SASLResponse',
    fc.property(text, text, (a, b) => {
      same(serialize.password(a), { type: 'PasswordMessage', password: a })
      same(serialize.sendSASLInitialResponseMessage(a, b), { type: 'SASLInitialResponse', mechanism: a, data: b })
      same(serialize.sendSCRAMClientFinalMessage(a), { type: 'SASLResponse', data: a })
    }),
  )

  law(
    'StartupMessage, SSLRequest and CancelRequest',
    fc.property(
      fc.dictionary(
        text.filter((name) => name !== '' && name !== '__proto__'),
        text,
      ),
      fc.integer(),
      fc.integer(),
      (options, processId, key) => {
        const theirs = plain(serialize.startup({ ...options }))
        const parameters = [...Object.entries(options), ['client_encoding', 'UTF8'] as const]
        expect(
          plain(encodeUntaggedMessage({ type: 'StartupMessage', protocolVersion: 0x0003_0000, parameters })),
        ).toEqual(theirs)
        expect(plain(encodeUntaggedMessage({ type: 'SSLRequest' }))).toEqual(plain(serialize.requestSsl()))
        const secretKey = new Uint8Array(4)
        new DataView(secretKey.buffer).setInt32(0, key)
        expect(plain(encodeUntaggedMessage({ type: 'CancelRequest', processId, secretKey }))).toEqual(
          plain(serialize.cancel(processId, key)),
        )
      },
    ),
  )
})
