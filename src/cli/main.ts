#!/usr/bin/env node
import { walwire } from './walwire.ts'

// everything was written by now: stdout by callback, stderr at once
process.exit(await walwire(process.argv.slice(2)))
