// The last line of the CI run: `node scripts/count-tests.mjs REPORT UNHANDLED EXIT-CODE FAILED-STAGES`.
// REPORT is what vitest's json reporter wrote; UNHANDLED, of which that says nothing, is unhandled-errors.mjs' file.
import { existsSync, readFileSync } from 'node:fs'

const [path, unhandledPath, exitCode, failedStages] = process.argv.slice(2)
let passed = 0
let failed = 0
if (existsSync(path)) {
  const report = JSON.parse(readFileSync(path, 'utf8'))
  passed = report.numPassedTests
  failed = report.numFailedTests
  for (const file of report.testResults) {
    // A file that could not be loaded, or whose hooks failed, has no failed test to its name.
    const named = file.assertionResults.some(({ status }) => status === 'failed')
    if (file.status === 'failed' && !named) {
      failed += 1
      process.stdout.write(`failed outside of its tests: ${file.name}\n`)
    }
  }
}
if (existsSync(unhandledPath)) failed += Number(readFileSync(unhandledPath, 'utf8'))
if (exitCode !== '0' && failed === 0) {
  failed += 1
  process.stdout.write(`vitest ended with exit code ${exitCode}, and with no failed test\n`)
}
if (passed + failed === 0) {
  failed += 1
  process.stdout.write('no test ran\n')
}
failed += Number(failedStages)
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)
