// `npm run docs`: renews what is made of the code, in the documents and in the list of exported types, which the tests compare with it.
import { become, bootstrap } from './bootstrap.mjs'

await bootstrap()
process.env.WALWIRE_WRITE_DOCS = '1'
await become('vitest/vitest.mjs', ['run', 'test/docs/types.test.ts', 'test/package/api.test.ts'])
