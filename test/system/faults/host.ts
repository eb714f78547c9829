import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** What is left on this host of something that was at work in `folder`: processes, mounts in any name space, loop devices. */
export function tracesOf(folder: string): readonly string[] {
  const processes = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
  return [
    ...processes.flatMap((pid) => tracesOfProcess(pid, folder)),
    ...readdirSync('/sys/block').flatMap((name) => {
      const file = quietly(() => readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8'))
      return file?.includes(folder) ? [`${name} holds ${file.trim()}`] : []
    }),
  ]
}

function tracesOfProcess(pid: string, folder: string): readonly string[] {
  const command = quietly(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? ''
  const root = quietly(() => readlinkSync(`/proc/${pid}/root`)) ?? ''
  const mounts = quietly(() => readFileSync(`/proc/${pid}/mountinfo`, 'utf8')) ?? ''
  return [
    ...(command.includes(folder) || root.startsWith(folder)
      ? [`${pid} runs ${command.replaceAll('\0', ' ')}`]
      : []),
    ...(mounts.includes(folder) ? [`${pid} sees a mount in ${folder}`] : []),
  ]
}

/** A process may end while it is looked at, and most block devices are no loop device. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}
