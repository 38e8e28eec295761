// What `npm test` does before its own work, so that it is complete on a fresh clone. Plain JavaScript, since nothing
// is installed yet when it runs; and called by name, since `ignore-scripts` skips npm's own pre-scripts.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('../', import.meta.url))

/** Installs and builds what is missing or older than its source; ends the process where one of them fails. */
export async function bootstrap() {
  if (!isInstalled()) await must('npm ci', ...npm('ci'))
  if (!isBuilt()) await must('npm run build', process.execPath, ['scripts/build.mjs'])
}

/** Runs a command of a package in node_modules in the foreground, and ends as it ended. */
export async function become(script, args) {
  process.exit(await run(process.execPath, [join('node_modules', script), ...args]))
}

/** Runs a command in the foreground; resolves with its exit code, as a shell would tell it. */
export function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: repository, stdio: 'inherit' })
    // Ctrl-C reaches the child by itself; we only wait for it. A signal to us alone is handed on.
    const wait = () => {}
    const pass = () => child.kill('SIGTERM')
    process.on('SIGINT', wait).on('SIGTERM', pass)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      process.off('SIGINT', wait).off('SIGTERM', pass)
      resolve(code ?? 128 + constants.signals[signal])
    })
  })
}

async function must(name, command, args) {
  process.stderr.write(`walwire: ${name}\n`)
  const code = await run(command, args)
  if (code === 0) return
  process.stderr.write(`walwire: ${name} failed\n`)
  process.exit(code)
}

/** npm as it runs us; where we are run without it, the one of the path. */
function npm(...args) {
  const script = process.env.npm_execpath
  return script?.endsWith('.js') ? [process.execPath, [script, ...args]] : ['npm', args]
}

/**
 * Whether node_modules is what package-lock.json says. Compared by content: git renews the lockfile's time with every
 * checkout, and an install for nothing pulls node_modules from under all that runs beside us.
 */
function isInstalled() {
  const hidden = join(repository, 'node_modules/.package-lock.json')
  if (!existsSync(hidden)) return false
  const installed = JSON.parse(readFileSync(hidden, 'utf8')).packages
  const wanted = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')).packages
  const sameVersions = Object.entries(installed).every(([path, { version }]) => wanted[path]?.version === version)
  const nothingMissing = Object.entries(wanted).every(
    ([path, { optional }]) => path === '' || optional || installed[path],
  )
  return sameVersions && nothingMissing
}

function isBuilt() {
  const dist = join(repository, 'dist')
  if (!existsSync(dist)) return false
  const outputs = files(dist).filter((file) => file.endsWith('.js'))
  const inputs = [
    ...files(join(repository, 'src')),
    join(repository, 'tsconfig.json'),
    join(repository, 'tsconfig.build.json'),
    join(repository, 'scripts/build.mjs'),
  ]
  return outputs.length > 0 && Math.min(...outputs.map(changedMs)) >= Math.max(...inputs.map(changedMs))
}

/** A folder and all files and folders in it: a folder changes when a file in it is removed. */
export function files(folder) {
  return [folder, ...readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)))]
}

function changedMs(path) {
  return statSync(path).mtimeMs
}
