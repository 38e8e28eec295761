// Reads rows in a process of its own: node read-rows.mjs <compiled sources> [without-buffer] < { layout, names, oids, rows }[]
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'

const [sources, withoutBuffer] = process.argv.slice(2)
let input = ''
process.stdin.setEncoding('utf8')
for await (const chunk of process.stdin) input += chunk
const tables = JSON.parse(input)
const unbase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
const { stdout } = process
if (withoutBuffer) delete globalThis.Buffer

const load = (path) => import(new URL(path, pathToFileURL(`${sources}/`)).href)
const { canGenerateCode, Cursor, rowReader } = await load('decoder/row-reader.js')
const { tupleLayout } = await load('decoder/tuple.js')
const { copyTextLayout } = await load('decoder/copy-text.js')
const { TypeRegistry } = await load('decoder/types/registry.js')

const types = new TypeRegistry()
const results = tables.map(({ layout, names, oids, rows }) => {
  const cursor = new Cursor()
  const fields = names.map((name, index) => ({
    name,
    read: (types.get(oids[index]) ?? types.addUnknown(oids[index])).readText,
  }))
  const read = rowReader(layout === 'tuples' ? tupleLayout : copyTextLayout, fields, cursor, 'public.t')
  return rows.map((row) => {
    const bytes = unbase64(row)
    return inspect([Object.entries(read(bytes, 0, bytes.length)), cursor.end, cursor.unchanged], {
      depth: null,
      maxArrayLength: null,
      maxStringLength: null,
    })
  })
})
stdout.write(JSON.stringify({ generatesCode: canGenerateCode(), results }))
