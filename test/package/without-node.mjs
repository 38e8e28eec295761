// node --experimental-vm-modules without-node.mjs <dist>: loads what is said to run in a browser into a context that has the
// language, and of everything else a text encoder and decoder alone; and prints what it did there.
import { readFile } from 'node:fs/promises'
import { createContext, SourceTextModule } from 'node:vm'

const dist = new URL(`file://${process.argv[2]}/`)
// the encoder's arrays are of this side: one class of them for both
const context = createContext({ TextEncoder, TextDecoder, Uint8Array })
const modules = new Map()

/** A module and, by and by, all that it imports; one that is not a file of the package is none that a browser has. */
function load(url) {
  let module = modules.get(url)
  if (module === undefined) {
    if (!url.startsWith(dist.href)) throw new Error(`${url} is not part of the package`)
    module = readFile(new URL(url), 'utf8').then((text) => new SourceTextModule(text, { context, identifier: url }))
    modules.set(url, module)
  }
  return module
}

const program = new SourceTextModule(
  `
  import * as protocol from './protocol/messages/index.js'
  import * as decoder from './decoder/index.js'

  const has = (name) => name in globalThis
  export const globals = ['Buffer', 'process', 'require', 'setTimeout', 'performance'].filter(has)

  const conversation = new protocol.Conversation()
  const heard = []
  const hear = (from, bytes) => heard.push(...conversation.read(from, bytes))
  hear('client', protocol.encodeUntaggedMessage({ type: 'StartupMessage', protocolVersion: 196608, parameters: [['user', 'é']] }))
  hear('client', protocol.encodeFrontend({ type: 'Query', query: 'SELECT 1' }))
  hear('server', protocol.encodeBackend({ type: 'DataRow', values: [new Uint8Array([49]), null] }))
  const copyData = protocol.encodePrimaryKeepalive({ walEnd: 7n, sendTime: 8n, replyRequested: true })
  heard.push({ message: protocol.decodeReplication(copyData, 5, copyData.length) })
  try {
    hear('client', new Uint8Array([63, 0, 0, 0, 4]))
  } catch (error) {
    heard.push({ message: { type: error.code } })
  }

  const columns = [
    { name: 'id', typeOid: 20, typmod: -1, key: true },
    { name: 'body', typeOid: 25, typmod: -1, key: false },
    { name: 'at', typeOid: 1184, typmod: -1, key: false },
    { name: 'price', typeOid: 1700, typmod: -1, key: false },
  ]
  const tuple = ['7', 'é€😀 and more', '2026-01-02 03:04:05.678901+00', '1.50'].map((text) => new TextEncoder().encode(text))
  const reader = new decoder.PgoutputDecoder({ protoVersion: 1 })
  const messages = [
    decoder.encodeBegin({ kind: 'begin', finalLsn: 9n, commitTime: 0n, xid: 7 }),
    decoder.encodeRelation({ kind: 'relation', oid: 1, schema: 's', name: 't', replicaIdentity: 'default', columns }),
    decoder.encodeInsert(1, tuple),
    decoder.encodeCommit({ kind: 'commit', commitLsn: 9n, endLsn: 10n, commitTime: 0n }),
  ].map((message) => reader.decode(message))

  const plain = (_, value) => (typeof value === 'bigint' ? String(value) + 'n' : value)
  export const result = JSON.stringify({ heard: heard.map(({ message }) => message.type), new: messages[2].new }, plain)
  `,
  { context, identifier: new URL('program.js', dist).href },
)
await program.link((specifier, { identifier }) =>
  load(specifier.startsWith('.') ? new URL(specifier, identifier).href : specifier),
)
await program.evaluate()
const { globals, result } = program.namespace
console.log(
  JSON.stringify({
    globals,
    modules: [...modules.keys()].map((url) => url.slice(dist.href.length)),
    ...JSON.parse(result),
  }),
)
