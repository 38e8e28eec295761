import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execFileAsync = promisify(execFile)
const repository = fileURLToPath(new URL('../../', import.meta.url))
const patches = join(repository, 'test/torture/planted')

/** The bugs that can be planted, by the names of their patches. */
export async function plantedBugs(): Promise<string[]> {
  const files = await readdir(patches)
  return files.filter((name) => name.endsWith('.patch')).sort()
}

/** Whether a bug is still a change of what the sources are. @throws Error with what does not apply */
export async function checkPlantable(patch: string): Promise<void> {
  await execFileAsync('git', ['apply', '--check', '-C1', join(patches, patch)], { cwd: repository })
}

/** A copy of the sources with a bug in it, which goes when it is disposed of. */
export interface Planted extends AsyncDisposable {
  /** Makes the command of it. @returns its path */
  build(): Promise<string>
}

/** Copies the sources, and plants a bug in the copy. @throws Error where the patch does not apply any more */
export async function plant(patch: string): Promise<Planted> {
  const folder = await mkdtemp(join(tmpdir(), 'walwire-planted-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    for (const name of ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
      await cp(join(repository, name), join(folder, name), { recursive: true })
    }
    await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
    // a repository around the folder would take the paths for its own
    const env = { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() }
    await execFileAsync('git', ['apply', '-C1', join(patches, patch)], { cwd: folder, env })
  } catch (error) {
    await remove()
    throw error
  }
  return {
    async build() {
      const compiler = join('node_modules', 'typescript', 'bin', 'tsc')
      await execFileAsync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--noEmitOnError'], { cwd: folder })
      return join(folder, 'dist/cli/main.js')
    },
    [Symbol.asyncDispose]: remove,
  }
}
