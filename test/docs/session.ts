import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { expect } from 'vitest'
import { follow, type Position } from '../../src/index.ts'
import { bootServer, type TestServer, waitUntil } from '../server/index.ts'
import { queryOnce } from '../server/sql.ts'
import { type Block, readDocument, repository } from './documents.ts'
import { beginsWithNothing, copySql, givens, shopSql } from './given.ts'
import { type Notes, notesOf } from './notes.ts'
import type { Programs } from './programs.ts'
import { type Commands, isShell, makePrograms, runInShell } from './shell.ts'

/** What stands in the documents for the address of a server, with or without a role, and for a port. */
const addresses = /postgres:\/\/(?:(\w+):(\w+)@)?localhost\/(shop|copy)\b/g
const port = /\bPORT=8080\b/g

/** Everything that the blocks of a document share, which are run in its order: what one makes the next one finds. */
export class Session {
  readonly #server: TestServer
  readonly #sql: postgres.Sql
  /** Where commands and programs run. */
  readonly #folder: string
  readonly #bin: string
  readonly #programs: Programs
  #commands: Commands | undefined
  /** What {@link #commands} run. */
  #lines = ''

  private constructor(server: TestServer, folder: string, programs: Programs) {
    this.#server = server
    this.#folder = folder
    this.#programs = programs
    this.#bin = makePrograms(folder)
    this.#sql = postgres(this.#url, { max: 1, onnotice: () => {} })
  }

  static async open(document: string, version: number, programs: Programs): Promise<Session> {
    const server = await bootServer({ version })
    const folder = await mkdtemp(join(tmpdir(), 'walwire-docs-'))
    await server.createDatabase({ name: 'shop' })
    const session = new Session(server, folder, programs)
    if (!beginsWithNothing.has(document)) await session.#sql.unsafe(shopSql)
    if (readDocument(document).includes('localhost/copy')) {
      await queryOnce(await server.createDatabase({ name: 'copy' }), copySql)
    }
    await symlink(join(repository, 'examples'), join(folder, 'examples'))
    return session
  }

  get #url(): string {
    return this.#server.uri('shop')
  }

  #withAddresses(lines: string): string {
    const inFact = (_: string, user: string | undefined, password: string | undefined, database: string) =>
      this.#server.uri(database, user === undefined || password === undefined ? {} : { user, password })
    return lines.replaceAll(addresses, inFact).replaceAll(port, 'PORT=0')
  }

  /** Runs a block, or compares it, whichever its kind and its notes ask for. @throws where it is not as the document says */
  async run(block: Block): Promise<void> {
    const notes = notesOf(block)
    if (notes.afterCtrlC) await this.#interrupt()
    if (notes.afterKill) await this.#kill()
    if (notes.again) this.#start(this.#lines)
    switch (block.language) {
      case 'ts':
        return await this.#runProgram(block, notes)
      case 'sh':
        return await this.#runCommands(this.#withAddresses(block.text), notes)
      case 'sql':
        return await this.#runStatements(block, notes)
      case 'json':
        return await this.#compareJson(block, notes)
      case 'jsonl':
      case 'text':
        if (notes.drawing) return
        expect(notes.printed, 'a block of text is what the block before it printed, or a drawing').toBe(true)
        expect(this.#commands, 'something that printed it').toBeDefined()
        return await this.#commands?.print(block.text)
      default:
        throw new Error(`there is no way to run a block of the kind ${JSON.stringify(block.language)}`)
    }
  }

  async #runProgram(block: Block, notes: Notes): Promise<void> {
    expect(this.#programs.mistakesIn(block)).toEqual([])
    if (notes.whyNotRun !== undefined) return
    const script = `exec '${process.execPath}' '${this.#programs.scriptOf(block)}'`
    if (notes.given === undefined) return await this.#runCommands(script, notes)
    const commands = this.#start(script)
    const failed = commands.ended.then((code) => {
      throw new Error(`the program ended with ${code}, and said:\n${commands.said}`)
    })
    await Promise.race([failed, givens[notes.given]?.meanwhile(this.#sql)])
    failed.catch(() => {})
    await this.#kill()
    await this.#forgetSlots()
  }

  async #runCommands(lines: string, { goesOn, exitCode, whyNotRun }: Notes): Promise<void> {
    if (whyNotRun !== undefined) {
      expect(isShell(lines)).toBe(true)
      return
    }
    const commands = this.#start(lines)
    if (!goesOn) {
      expect(await commands.ended, commands.said).toBe(exitCode)
      return
    }
    await waitUntil('a slot to be read', async () => {
      if (commands.over) throw new Error(`the commands ended, and said:\n${commands.said}`)
      return (
        (await this.#sql`SELECT 1 FROM pg_replication_slots WHERE active AND confirmed_flush_lsn IS NOT NULL`).length >
        0
      )
    })
  }

  #start(lines: string): Commands {
    this.#commands?.kill()
    this.#lines = lines
    const env = { DATABASE_URL: this.#url }
    this.#commands = runInShell(lines, { cwd: this.#folder, bin: this.#bin, env })
    return this.#commands
  }

  async #interrupt(): Promise<void> {
    const commands = this.#commands
    if (commands === undefined) throw new Error('there is nothing that goes on')
    commands.interrupt()
    expect(await commands.ended, commands.said).toBe(0)
  }

  /** The server notices by itself, in a moment. */
  async #kill(): Promise<void> {
    this.#commands?.kill()
    await this.#commands?.ended
    const active = async () => (await this.#sql`SELECT 1 FROM pg_replication_slots WHERE active`).length
    await waitUntil('the slots to be free', async () => (await active()) === 0)
  }

  /** One by one, since some may not be in a transaction with others. Those of newer servers fail on older ones. */
  async #runStatements({ text }: Block, { fromVersion }: Notes): Promise<void> {
    const statements = text.split(/;\s*(?:--.*)?$/m).filter((statement) => /^\s*[^\s-]/m.test(statement))
    expect(statements.length).toBeGreaterThan(0)
    if (this.#server.version < fromVersion) {
      const known = await Promise.allSettled(statements.map((statement) => this.#sql.unsafe(statement)))
      expect(known.some(({ status }) => status === 'rejected')).toBe(true)
      return
    }
    for (const statement of statements) await this.#sql.unsafe(statement)
  }

  async #compareJson({ text }: Block, { like }: Notes): Promise<void> {
    const shown: unknown = JSON.parse(text)
    expect(shapeOf(shown)).toEqual(shapeOf(await this.#example(like)))
  }

  async #example(like: string | undefined): Promise<unknown> {
    switch (like) {
      case 'position':
        return await this.#position()
      case 'checkpoint':
        return JSON.parse(await readFile(join(this.#folder, 'shop.checkpoint'), 'utf8'))
      default:
        throw new Error('a block of JSON needs a note that says what it is an example of')
    }
  }

  async #position(): Promise<Position> {
    const slot = 'example_of_a_position'
    const feed = follow({ connection: this.#url, publication: 'shop', slot, snapshot: 'never', temporary: true })
    for await (const { position } of feed) if (position.phase === 'stream') return position
    throw new Error('the feed ended')
  }

  /** A killed program leaves its slot, which the next block would find. */
  async #forgetSlots(): Promise<void> {
    await this.#sql`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots`
    await this.#sql`DROP SCHEMA IF EXISTS destination CASCADE`
    await this.#sql`CREATE SCHEMA destination`
  }

  async close(): Promise<void> {
    this.#commands?.kill()
    await this.#commands?.ended
    await this.#sql.end({ timeout: 5 })
    await this.#server[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true })
  }
}

/** A JSON value without what differs from one to another of its kind: its keys, and the types of its values. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf)
  if (typeof value !== 'object' || value === null) return value === null ? null : typeof value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, shapeOf(part)]))
}
