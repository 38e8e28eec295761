import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import { bootServer } from '../test/server/index.ts'
import { installed, type Measured, measure, median } from './processes.ts'
import { workloads } from './workloads.ts'

const scale = Number(process.env.WALWIRE_BENCH_SCALE ?? 1)
const rounds = Number(process.env.WALWIRE_BENCH_ROUNDS ?? 3)
const only = process.env.WALWIRE_BENCH_ONLY
const client = (name: string) => fileURLToPath(new URL(`clients/${name}.mjs`, import.meta.url))

const seconds = (runs: readonly Measured[]) => median(runs.map((run) => run.seconds))

/** One line of the result: medians, and the ratio of the two. */
function report(
  name: string,
  ours: readonly Measured[],
  theirs: readonly Measured[],
  peer: string,
  rows: number,
): void {
  const [our, their] = [seconds(ours), seconds(theirs)]
  const cpu = median(ours.map((run) => run.cpuSeconds ?? Number.NaN))
  const peak = Math.max(...ours.map((run) => run.peakMegabytes ?? 0))
  console.log(
    `${name}: walwire ${our.toFixed(2)} s (${Math.round(rows / our).toLocaleString('en')} rows/s, CPU ${cpu.toFixed(2)} s, ` +
      `peak ${peak.toFixed(0)} MB)` +
      (theirs.length > 0
        ? `, ${peer} ${their.toFixed(2)} s, ratio ${(our / their).toFixed(2)}`
        : `, ${peer} is not installed`),
  )
}

for (const workload of workloads(scale)) {
  test.runIf(only === undefined || workload.name.includes(only))(
    `${workload.name} and the copy of their table`,
    async () => {
      await using server = await bootServer({
        version: 17,
        settings: { max_wal_size: '16GB', shared_buffers: '512MB' },
      })
      const uri = await server.createDatabase()
      const sql = postgres(uri, { max: 1, onnotice: () => {} })
      const { table } = workload
      for (const statement of workload.setup) await sql.unsafe(statement)
      await sql.unsafe(`CREATE PUBLICATION bench FOR TABLE ${table}`)
      await sql`SELECT pg_create_logical_replication_slot('origin', 'pgoutput')`
      const [before] = await sql`SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = 'origin'`
      await sql.unsafe(workload.write)
      await sql`CHECKPOINT`
      const [after] = await sql`SELECT pg_current_wal_flush_lsn() AS lsn`

      const recvlogical = installed('pg_recvlogical')
      const ours: Measured[] = []
      const theirs: Measured[] = []
      for (let round = 0; round < rounds; round++) {
        for (const peer of recvlogical === undefined ? ['walwire'] : ['walwire', 'pg_recvlogical']) {
          const slot = `copy_${round}_${peer}`
          await sql`SELECT pg_copy_logical_replication_slot('origin', ${slot})`
          if (peer === 'walwire') {
            ours.push(
              await measure(
                process.execPath,
                [client('walwire-stream'), uri, slot, 'bench', before?.lsn, after?.lsn],
                'report',
              ),
            )
          } else if (recvlogical !== undefined) {
            const options = ['-o', 'proto_version=1', '-o', 'publication_names=bench', '-o', 'messages=true']
            const range = ['--startpos', before?.lsn, '--endpos', after?.lsn, '--no-loop', '-f', '/dev/null']
            theirs.push(await measure(recvlogical, ['-d', uri, '-S', slot, '--start', ...options, ...range], 'ignore'))
          }
          await sql`SELECT pg_drop_replication_slot(${slot})`
        }
      }
      report(`stream, ${workload.name}`, ours, theirs, 'pg_recvlogical', workload.rows)
      expect(ours.every((run) => run.rows === workload.rows)).toBe(true)

      const psql = installed('psql')
      const copies: Measured[] = []
      const plain: Measured[] = []
      for (let round = 0; round < rounds; round++) {
        copies.push(await measure(process.execPath, [client('walwire-snapshot'), uri, 'bench'], 'report'))
        if (psql !== undefined) plain.push(await measure(psql, ['-d', uri, '-c', `copy ${table} to stdout`], 'ignore'))
      }
      report(`copy, ${workload.name}`, copies, plain, 'psql', workload.rows)
      expect(copies.every((run) => run.rows === workload.rows)).toBe(true)
      await sql.end()
    },
  )
}
