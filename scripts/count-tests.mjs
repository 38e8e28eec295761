// The last line of the CI run: `node scripts/count-tests.mjs FAILED-STAGES (REPORT UNHANDLED EXIT-CODE)…`, three for each run
// of vitest. REPORT is what its json reporter wrote; UNHANDLED, of which that says nothing, is unhandled-errors.mjs' file.
import { existsSync, readFileSync } from 'node:fs'

const [failedStages, ...runs] = process.argv.slice(2)
let passed = 0
let failed = Number(failedStages)
while (runs.length > 0) count(...runs.splice(0, 3))
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)

function count(path, unhandledPath, exitCode) {
  let failedHere = 0
  let passedHere = 0
  if (existsSync(path)) {
    const report = JSON.parse(readFileSync(path, 'utf8'))
    passedHere = report.numPassedTests
    failedHere = report.numFailedTests
    for (const file of report.testResults) {
      // A file that could not be loaded, or whose hooks failed, has no failed test to its name.
      const named = file.assertionResults.some(({ status }) => status === 'failed')
      if (file.status === 'failed' && !named) {
        failedHere += 1
        process.stdout.write(`failed outside of its tests: ${file.name}\n`)
      }
    }
  }
  if (existsSync(unhandledPath)) failedHere += Number(readFileSync(unhandledPath, 'utf8'))
  if (exitCode !== '0' && failedHere === 0) {
    failedHere += 1
    process.stdout.write(`vitest ended with exit code ${exitCode}, and with no failed test\n`)
  }
  if (passedHere + failedHere === 0) {
    failedHere += 1
    process.stdout.write('no test ran\n')
  }
  passed += passedHere
  failed += failedHere
}
