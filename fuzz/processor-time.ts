/**
 * What this process has used of the processor, in milliseconds. Whoever else is at work on the machine makes every other
 * time longer; and of this process's threads all but the one that tries inputs only wait, collect garbage and compile.
 */
export function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
