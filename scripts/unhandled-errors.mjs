// A vitest reporter that writes how many errors came from outside of all tests into the file WALWIRE_UNHANDLED_ERRORS.
import { writeFileSync } from 'node:fs'

export default class UnhandledErrors {
  onTestRunEnd(_modules, errors) {
    const file = process.env.WALWIRE_UNHANDLED_ERRORS
    if (file) writeFileSync(file, String(errors.length))
  }
}
