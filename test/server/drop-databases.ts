import { afterAll } from 'vitest'
import { dropCreatedDatabases } from './shared.ts'

afterAll(dropCreatedDatabases)
