// Stands in for npm and npx in the documents' shell blocks: what they would do takes minutes or changes this machine, so
// that it is only checked. What is not known here fails.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [, , program, walwire, ...words] = process.argv
const repository = join(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
const packages = ['walwire', ...Object.keys({ ...manifest.peerDependencies, ...manifest.devDependencies })]

const [name, ...rest] = words
const known = program === 'npm' ? isKnownNpm(name, rest) : isKnownTool(name, rest)
if (!known) {
  process.stderr.write(`a document has a command that nothing checks: ${program} ${words.join(' ')}\n`)
  process.exit(64)
}

function isKnownNpm(verb, args) {
  switch (verb) {
    case 'install':
      return args.length > 0 && args.every((arg) => arg === '--save-dev' || packages.includes(arg))
    case 'ci':
      return args.length === 0 || (args[0] === '--prefix' && exists(args[1], 'package-lock.json') && args.length === 2)
    case 'pack':
      return args.length === 0
    case 'test':
      return args.length === 0 || (args[0] === '--' && areVitestArguments(args.slice(1)))
    case 'start':
      return args.length === 0 || (args[0] === '--' && isDemo(args.slice(1)))
    case 'run':
      return manifest.scripts[args[0]] !== undefined && (args.length === 1 || args[1] === '--')
    default:
      return false
  }
}

function isKnownTool(tool, args) {
  return tool === 'vitest' && args[0] === 'run' && areVitestArguments(args.slice(1))
}

/** Paths that exist, and a name to look for. */
function areVitestArguments(args) {
  return args.every((arg, index) => arg === '-t' || args[index - 1] === '-t' || exists(arg))
}

/** The demo's help names each of its options. */
function isDemo(args) {
  const help = spawnSync(process.execPath, [walwire, 'demo', '--help'], { encoding: 'utf8' }).stdout
  return args.filter((arg) => arg.startsWith('--')).every((arg) => help.includes(`  ${arg} `))
}

function exists(...path) {
  return existsSync(join(repository, ...path))
}
