import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { within } from '../../src/protocol/connection/within.ts'
import { Chance } from '../end-to-end/random.ts'
import { bootServer } from '../server/boot.ts'
import { queryOnce } from '../server/sql.ts'
import { waitUntil } from '../server/wait.ts'
import { compareRows } from './check/compare-rows.ts'
import { lsnOf, OutputCheck } from './check/output-check.ts'
import { Deployment } from './deployment.ts'
import { type FaultKind, faults, isFaultKind, type Scene } from './faults.ts'
import { Network } from './network.ts'
import { deal } from './schedule.ts'
import { bank, furnish, type PartitionsAs, publishedTables, readTables, slot } from './shop.ts'
import { Workload } from './workload.ts'

/** What is tortured, and how. */
export interface TortureOptions {
  readonly seed: number
  readonly durationMs: number
  readonly version: number
  /** The built command. */
  readonly command: string
  readonly kinds: readonly string[]
  readonly say: (text: string) => void
  readonly onSaid: (text: string) => void
  readonly signal: AbortSignal
  /** Whether to end at the first problem that is seen. */
  readonly hasty: boolean
}

/** What came of it. */
export interface TortureResult {
  readonly events: number
  readonly commits: number
  /** How often each kind of fault struck. */
  readonly faults: Readonly<Record<string, number>>
  readonly lost: number
  readonly repeated: number
  readonly problems: readonly string[]
}

const database = 'torture'
/** After a fault, and at the end: whoever takes longer to catch up than this hangs. */
const catchUpMs = 60_000
/** What goes on behind the duration: booting, catching up, checking. */
const besidesMs = 150_000
/** A dead link is found in seconds, so that a run sees many. */
const settings = {
  ...{ wal_sender_timeout: '3s', logical_decoding_work_mem: '256kB', max_wal_size: '256MB' },
  log_min_messages: 'warning',
}

/** Boots a server, follows it, writes and strikes, and looks at what came of it. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const folder = await mkdtemp(join(tmpdir(), 'walwire-torture-'))
  try {
    await using server = await bootServer({ version: options.version, settings })
    await using network = await Network.before(server)
    const direct = await server.createDatabase({ name: database })
    const url = server.uri(database, {
      port: network.port,
      sslmode: 'disable',
      connect_timeout: 3,
      application_name: 'torture',
    })
    const deployment = new Deployment({ folder, command: options.command, url, database, onSaid: options.onSaid })
    const ask = (sql: string) => queryOnce(direct, sql)
    const run = new Torture(options, { server, network, deployment, ask }, direct)
    try {
      return await run.run()
    } finally {
      await deployment.end()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

class Torture {
  readonly #options: TortureOptions
  readonly #scene: Scene
  readonly #direct: string
  readonly #faults: Record<string, number> = {}
  readonly #problems: string[] = []
  readonly #workloadChance: Chance
  readonly #faultChance: Chance
  readonly #partitions: PartitionsAs

  constructor(options: TortureOptions, scene: Scene, direct: string) {
    this.#options = options
    this.#scene = scene
    this.#direct = direct
    const chance = new Chance(options.seed)
    this.#workloadChance = chance.fork()
    this.#faultChance = chance.fork()
    this.#partitions = chance.oneOf(['root', 'leaves'])
  }

  async run(): Promise<TortureResult> {
    const { durationMs, signal } = this.#options
    const outcome = await within(this.#run(), durationMs + besidesMs, signal)
    if (outcome?.ok) return outcome.value
    const why = outcome?.error instanceof Error ? outcome.error.stack : outcome?.error
    const what = outcome === undefined ? 'the end was not reached in time' : `it came to an end by itself: ${why}`
    this.#options.say(await this.#dump())
    return this.#result(new OutputCheck(bank), [what])
  }

  async #run(): Promise<TortureResult> {
    const { deployment } = this.#scene
    const { durationMs, signal, hasty } = this.#options
    await furnish(this.#direct, this.#partitions)
    const workload = new Workload(this.#direct, this.#workloadChance)
    await deployment.start()
    await waitUntil('the follower to connect', () => this.#scene.network.connections > 0)
    const until = performance.now() + durationMs
    const watching = new AbortController()
    const watch = this.#watch(watching.signal)
    const hasSeen = () => this.#problems.length + deployment.problems.length > 0
    const isOver = () => deployment.isHopeless || signal.aborted || (hasty && hasSeen())
    const goesOn = () => performance.now() < until && !isOver()
    try {
      await this.#strike(workload, goesOn)
    } finally {
      await workload.stop()
    }
    if (!isOver()) await this.#catchUp()
    watching.abort()
    await watch
    await deployment.stop()
    return await this.#check(workload)
  }

  async #strike(workload: Workload, goesOn: () => boolean): Promise<void> {
    const { say, kinds } = this.#options
    const chosen = kinds.filter(isFaultKind)
    const dealt = deal(this.#faultChance, chosen.length > 0 ? chosen : allKinds)
    let untilCopied = snapshotFaults
    while (goesOn()) {
      const { kind, strike, pauseMs, afterCatchingUp } = dealt.next().value
      // the copy is struck at first, and then let come to its end
      if (untilCopied-- === 0) {
        workload.mayAlter = false
        await waitUntil('the first copy to end', async () => !goesOn() || (await this.#isCopied()), catchUpMs)
        workload.mayAlter = true
      } else if (afterCatchingUp && untilCopied < 0) await this.#catchUp()
      await delay(pauseMs)
      workload.check()
      if (!goesOn()) return
      say(`${kind}`)
      const struck = await strike(this.#scene)
      this.#faults[kind] = (this.#faults[kind] ?? 0) + (struck ? 1 : 0)
    }
  }

  async #isCopied(): Promise<boolean> {
    return (await this.#scene.deployment.stored())?.phase === 'stream'
  }

  /** Waits until what is committed now is stored. */
  async #catchUp(): Promise<void> {
    const { ask, deployment } = this.#scene
    const before = lsnOf(await ask('SELECT pg_current_wal_insert_lsn()'))
    // a commit behind it, so that the position can get there where nothing else is written
    await ask("SELECT pg_logical_emit_message(true, 'torture', 'a mark')")
    const isStored = async () => {
      const stored = await deployment.stored()
      return deployment.isHopeless || (stored?.phase === 'stream' && lsnOf(stored.lsn) > before)
    }
    await waitUntil('the follower to catch up', isStored, catchUpMs)
  }

  /** Nothing is acknowledged that is not stored, at any time. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { ask, deployment } = this.#scene
    while (!signal.aborted) {
      const confirmed = await ask(
        `SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '${slot}'`,
      ).catch(() => '')
      const stored = await deployment.stored()
      if (stored?.phase === 'stream' && lsnOf(confirmed) > lsnOf(stored.lsn)) {
        this.#problems.push(`${confirmed} is acknowledged, and ${stored.lsn} is stored`)
      }
      await delay(100, undefined, { signal }).catch(() => {})
    }
  }

  async #check(workload: Workload): Promise<TortureResult> {
    const { deployment } = this.#scene
    const problems: string[] = []
    const check = new OutputCheck(bank)
    for await (const line of createInterface({ input: createReadStream(deployment.output) })) check.line(line)
    check.end()
    const tables = await readTables(this.#direct, publishedTables(this.#partitions))
    let [missing, excess] = [0, 0]
    for (const [name, table] of tables) {
      const difference = compareRows(table, check.rows(name))
      missing += difference.missing.length
      excess += difference.excess.length
      for (const [what, rows] of Object.entries(difference)) {
        if (rows.length > 0)
          problems.push(`${name}: ${rows.length} rows ${what}, such as ${String(rows[0]).slice(0, 300)}`)
      }
    }
    problems.push(...wrongOutcomes(workload, check), ...(await this.#leftovers()))
    return this.#result(check, problems, { missing, excess })
  }

  /** What is on the server that should not be, when every follower has ended. */
  async #leftovers(): Promise<string[]> {
    const { ask } = this.#scene
    const list = (what: string, from: string) => ask(`SELECT string_agg(${what}, ', ') FROM ${from}`)
    const questions: Readonly<Record<string, () => Promise<string>>> = {
      slots: () => list('slot_name', `pg_replication_slots WHERE slot_name <> '${slot}' OR active`),
      sessions: () =>
        list(
          'backend_type || query',
          "pg_stat_activity WHERE application_name = 'torture' AND pid <> pg_backend_pid()",
        ),
      'advisory locks': () => list('pid::text', "pg_locks WHERE locktype = 'advisory'"),
      'temporary objects': () => list('relname', "pg_class WHERE relpersistence = 't'"),
      'prepared transactions': () => list('gid', 'pg_prepared_xacts'),
    }
    const left: string[] = []
    for (const [what, question] of Object.entries(questions)) {
      const isGone = () => question().then((found) => found === '')
      // a backend takes a moment to notice
      if (await waitUntil(`no ${what} left`, isGone, 8000).catch(() => false)) continue
      left.push(`${what} are left over: ${await question()}`)
    }
    return left
  }

  #result(
    check: OutputCheck,
    problems: readonly string[],
    { missing, excess } = { missing: 0, excess: 0 },
  ): TortureResult {
    return {
      events: check.events,
      commits: check.commits,
      faults: this.#faults,
      lost: check.lost + missing,
      repeated: check.repeated + excess,
      problems: [...this.#problems, ...this.#scene.deployment.problems, ...check.problems, ...problems],
    }
  }

  /** All that helps to see why it does not go on. */
  async #dump(): Promise<string> {
    const { deployment, network, ask } = this.#scene
    const rows = (view: string) =>
      ask(`SELECT string_agg(to_jsonb(t)::text, E'\\n') FROM ${view} t`).catch((error: unknown) => String(error))
    return [
      `stored: ${JSON.stringify(await deployment.stored())}; connections over the proxy: ${network.connections}`,
      `slots: ${await rows('pg_replication_slots')}`,
      `walsenders: ${await rows('pg_stat_replication')}`,
      `sessions: ${await rows("(SELECT pid, application_name, backend_type, state, wait_event, query FROM pg_stat_activity WHERE datname = 'torture')")}`,
      deployment.said,
    ].join('\n')
  }
}

/** So many faults strike the first copy. */
const snapshotFaults = 3
const allKinds: readonly FaultKind[] = Object.keys(faults).filter(isFaultKind)

/** What sessions were told of their commits, and the copy tells otherwise. */
function wrongOutcomes({ outcomes }: Workload, check: OutputCheck): string[] {
  const copied = new Set(check.rows('ledger').map(({ id }) => Number(id)))
  const [absent, invented]: [number[], number[]] = [[], []]
  for (const [id, outcome] of outcomes) {
    if (outcome === 'committed' && !copied.has(id)) absent.push(id)
    if (outcome === 'rolled back' && copied.has(id)) invented.push(id)
  }
  const told: string[] = []
  if (absent.length > 0) told.push(`${absent.length} committed transactions are not in the copy, such as ${absent[0]}`)
  if (invented.length > 0)
    told.push(`${invented.length} transactions rolled back are in the copy, such as ${invented[0]}`)
  return told
}
