import type { Sys } from '../../sys/index.ts'

/** What a lock takes over of the host's apt, as lines of `apt-config dump`. */
export interface HostSettings {
  /** How the host reaches its mirrors: proxy, time limits, certificates. What it would trust is not among them. */
  readonly kept: readonly string[]
  /** Those of `kept` by which an index counts that is too old, or of a time that is yet to come. */
  readonly dateless: readonly string[]
}

export async function readHostSettings(sys: Sys): Promise<HostSettings> {
  const { stdout } = await sys.exec.run('apt-config', ['dump', 'Acquire'])
  return judgeSettings(new TextDecoder().decode(stdout))
}

/** What has to do with trust: unsigned archives, TLS with anybody, other indexes than a lock reads. */
const refused =
  /^Acquire::(?:Allow|GzipIndexes|Languages|IndexTargets|Changelogs|.*::Verify-(?:Peer|Host)\b)/i
/** Who has a mirror of an earlier state needs them; a lock goes on with them, and says so. */
const aboutDates =
  /^Acquire::(?:Check-(?:Valid-Until|Date) "(?:0+|no|false|without|off|disable)"|(?:Min-ValidTime|Max-FutureTime)\b\S* "0*[1-9]\d*");/i

export function judgeSettings(dump: string): HostSettings {
  const kept = dump.split('\n').filter((line) => /^Acquire::/i.test(line) && !refused.test(line))
  return { kept, dateless: kept.filter((line) => aboutDates.test(line)) }
}

/** @returns nothing where the host's apt judges dates */
export function sayDateless({ dateless }: HostSettings): string | undefined {
  if (dateless.length === 0) return undefined
  const names = dateless.map((line) => line.replace(/;$/, '')).join(', ')
  return `this host's apt does not look at the dates of indexes, and so neither does this lock: ${names}; a mirror that shows an old state is not noticed`
}
