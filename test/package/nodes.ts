import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { platform } from '../../src/cli/embedded/installed-binaries.ts'
import { repository } from './installed.ts'

/** A version of Node to try the package on. */
export interface TestNode {
  readonly name: string
  /** The folder of its `node`. */
  readonly bin: string
}

/**
 * The versions of Node named in WALWIRE_TEST_NODES, each at the release that test/nodes has of it; where it is not set,
 * the one that runs the tests.
 *
 * @throws Error where one is not installed: a version is never skipped in silence
 */
export function testNodes(list = process.env.WALWIRE_TEST_NODES): TestNode[] {
  if (!list) return [{ name: `${process.version}, which runs the tests`, bin: dirname(process.execPath) }]
  const nodes = createRequire(join(repository, 'test/nodes/package.json'))
  return list.split(',').map((major) => {
    try {
      const manifest = nodes.resolve(`node${major}-${platform}/package.json`)
      const { version }: { version: string } = nodes(manifest)
      return { name: version.replace(/^v?/, 'v'), bin: join(dirname(manifest), 'bin') }
    } catch (cause) {
      throw new Error(
        `WALWIRE_TEST_NODES names ${JSON.stringify(major)}, which is not installed for ${platform}. ` +
          'Install 20, 22 and 24 (no 20 for darwin-arm64) with: npm ci --prefix test/nodes',
        { cause },
      )
    }
  })
}
