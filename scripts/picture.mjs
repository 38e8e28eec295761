// Makes docs/demo.svg: runs the demo as on a terminal of 112 columns, and draws what it printed. Nothing is invented and
// nothing put in another order; what is left out is marked.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { bootstrap, repository } from './bootstrap.mjs'
import { terminalSvg } from './terminal-svg.mjs'

const columns = 112
const mostChanges = 30

await bootstrap()
const { displayWidth } = await import('../dist/cli/pretty/display-width.js')
const lines = (await demoOutput()).trimEnd().split('\n')
const plain = lines.map((line) => stripVTControlCharacters(line))
const copied = plain.findIndex((line) => line.startsWith('copied'))
const ended = plain.findIndex((line) => line.startsWith('Ended'))
const followed = plain.findIndex((line) => line.startsWith('┌'))
const leftOut = '\u001b[2m⋯\u001b[0m'
const shown = [
  ...lines.slice(0, 2),
  // the folder and the port are another's every time
  lines[2].replace(/; then all of .*/, ''),
  leftOut,
  ...lines.slice(copied, followed),
  leftOut,
  ...bestStretch(followed, ended),
  leftOut,
  ...lines.slice(ended, ended + 5),
]
const svg = terminalSvg(shown, { columns, title: 'npm start', widthOf: displayWidth })
writeFileSync(join(repository, 'docs/demo.svg'), svg)
process.stdout.write(`docs/demo.svg: ${shown.length} lines\n`)

/** What the demo prints on a terminal that cannot move its cursor: so it is told that its pipe is one. */
async function demoOutput() {
  const terminal = `data:text/javascript,process.stdout.isTTY=true;process.stdout.columns=${columns}`
  const demo = ['dist/cli/main.js', 'demo', '--rate', '8', '--seed', '3', '--duration', '40s']
  const child = spawn(process.execPath, ['--import', terminal, ...demo], {
    cwd: repository,
    env: { ...process.env, TERM: 'dumb', FORCE_COLOR: '1', TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return await text(child.stdout)
}

/** Transactions one after another, as many as there is room for, where the most different things happen. */
function bestStretch(from, to) {
  const begins = plain.flatMap((line, index) => (index >= from && index < to && line.startsWith('┌') ? [index] : []))
  let best = { begin: from, end: from, kinds: 0 }
  for (const begin of begins) {
    const ends = plain.flatMap((line, index) =>
      index > begin && index < to && line.startsWith('└') ? [index + 1] : [],
    )
    const end = ends.filter((index) => index - begin <= mostChanges).at(-1)
    if (end === undefined) continue
    const changes = plain.slice(begin, end).flatMap((line) => [...(/^│ (\w+) +\w+/.exec(line) ?? [])])
    const kinds = new Set(changes).size
    if (kinds > best.kinds) best = { begin, end, kinds }
  }
  return lines.slice(best.begin, best.end)
}
