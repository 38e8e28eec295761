import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Superuser } from '../../src/cli/embedded/data-folder.ts'
import { bootIn, LocalServer, type ServerPlace } from '../../src/cli/embedded/local-server.ts'
import type { Settings } from '../../src/cli/embedded/server-files.ts'
import { type ServerUser, serverUser } from '../../src/cli/embedded/server-user.ts'
import { type RunnableBinaries, runnableBinaries } from './binaries.ts'
import { defaultSettings } from './config.ts'
import { runFolder } from './folders.ts'
import type { ServerHost, ServerPlan } from './host.ts'
import { queryOnce } from './sql.ts'
import { dataTemplate } from './template.ts'

const run = promisify(execFile)

/** Boots a server from the installed binaries, as a process of this machine. */
export async function bootLocal(plan: ServerPlan): Promise<ServerHost> {
  const [binaries, user, runs] = await Promise.all([runnableBinaries(plan.version), serverUser(), runFolder()])
  return await bootIn({
    parent: runs,
    prefix: 'run-',
    user,
    async furnish(folder) {
      await copyTemplate(binaries, plan.superuser, user, folder)
      return binaries.bin
    },
    server: (place) => new LocalTestServer(plan, place),
  })
}

/** Puts a fresh data folder `data` into a server's folder. */
export async function copyTemplate(
  binaries: RunnableBinaries,
  superuser: Superuser,
  user: ServerUser | undefined,
  folder: string,
): Promise<void> {
  const template = await dataTemplate(binaries, superuser, user)
  // `cp` and not fs.cp, because it runs as the server's user, who then owns all of it.
  await run('cp', ['-R', template, join(folder, 'data')], { cwd: '/', ...user })
}

class LocalTestServer extends LocalServer implements ServerHost {
  readonly #plan: ServerPlan

  constructor(plan: ServerPlan, place: ServerPlace) {
    super({ ...plan, superuser: plan.superuser.name }, place)
    this.#plan = plan
  }

  override async writeSettings(settings: Settings): Promise<void> {
    await super.writeSettings({ ...defaultSettings, ...settings })
  }

  async query(sql: string): Promise<string> {
    const { name: user, password } = this.#plan.superuser
    return await queryOnce({ host: this.socketDir, port: this.port, user, password, database: 'postgres' }, sql)
  }
}
