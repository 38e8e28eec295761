import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { LiveOutput } from '../../../src/cli/pretty/live-output.ts'
import { StreamOutput } from '../../../src/cli/stream-output.ts'

function liveOutput() {
  const stream = new PassThrough()
  const shown = { lines: ['bar 1', 'bar 2'] }
  const output = new LiveOutput(new StreamOutput(stream), stream, () => shown.lines)
  return { output, shown, read: () => String(stream.read() ?? '') }
}

test('live lines go before something is written, and come back after it', async () => {
  const { output, shown, read } = liveOutput()
  await output.write([])
  expect(read()).toBe('bar 1\nbar 2')
  shown.lines = ['bar 2']
  await output.write(['copied 1'])
  expect(read()).toBe('\r\u001b[1A\u001b[Jcopied 1\nbar 2')
  await output.write(['copied 2'])
  expect(read()).toBe('\r\u001b[Jcopied 2\nbar 2')
  shown.lines = []
  await output.write(['done'])
  expect(read()).toBe('\r\u001b[Jdone\n')
})

test('they are not drawn again at once, and nothing is left of them at the end', async () => {
  const { output, read } = liveOutput()
  await output.write([])
  await output.write([])
  expect(read()).toBe('bar 1\nbar 2')
  await output.close()
  expect(read()).toBe('\r\u001b[1A\u001b[J')
})
