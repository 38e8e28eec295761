import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bootIn, LocalServer, type ServerPlace } from '../../src/cli/embedded/local-server.ts'
import type { Settings } from '../../src/cli/embedded/server-files.ts'
import { serverUser } from '../../src/cli/embedded/server-user.ts'
import { runnableBinaries } from './binaries.ts'
import { defaultSettings } from './config.ts'
import { runFolder } from './folders.ts'
import type { ServerHost, ServerPlan } from './host.ts'
import { queryOnce } from './sql.ts'
import { dataTemplate } from './template.ts'

const run = promisify(execFile)

/** Boots a server from the installed binaries, as a process of this machine. */
export async function bootLocal(plan: ServerPlan): Promise<ServerHost> {
  const [binaries, user, runs] = await Promise.all([runnableBinaries(plan.version), serverUser(), runFolder()])
  const template = await dataTemplate(binaries, plan.superuser, user)
  return await bootIn({
    parent: runs,
    prefix: 'run-',
    user,
    async furnish(folder) {
      // `cp` and not fs.cp, because it runs as the server's user, who then owns all of it.
      await run('cp', ['-R', template, join(folder, 'data')], { cwd: '/', ...user })
      return binaries.bin
    },
    server: (place) => new LocalTestServer(plan, place),
  })
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
