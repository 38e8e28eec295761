import { passwordFromFile } from '../../src/protocol/connection/pgpass.ts'
import { demand, type Target } from '../target.ts'

const key = { host: 'h:ost', port: '5432', dbname: 'd\\b', user: 'user' }

/** The password file. */
export const pgpassTarget: Target = {
  name: 'pgpass',
  about: 'the text of a password file: the password of the first line that matches, whatever else is in it',
  seeds: () =>
    ['h\\:ost:5432:d\\\\b:user:pass\\:word', '*:*:*:*:a', '#x\r\n\n*:5432:*:user:p\r', 'h:5432:d:u:p', '*:*:*:*'].map(
      (text) => new TextEncoder().encode(text),
    ),
  words: [':', '\\', '*', '\n', '\r', '#', '5432', 'user', 'h\\:ost', 'd\\\\b', '*:*:*:*:'],
  run(input) {
    const text = new TextDecoder().decode(input)
    const password = passwordFromFile(text, key)
    // what stands before the file's lines can only matter by matching
    demand(
      passwordFromFile(`# a comment\nno:match:at:all:x\n${text}`, key) === password,
      'a line that does not match counts',
    )
    demand(passwordFromFile(`*:*:*:*:first\n${text}`, key) === 'first', 'the first line that matches does not count')
  },
}
