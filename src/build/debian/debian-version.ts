/**
 * Orders two versions as dpkg does (Policy 5.6.12): below 0 where `a` is older. An epoch stands before a colon, the
 * revision behind the last dash; either may be missing.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)]
  return (
    left.epoch - right.epoch ||
    comparePart(left.upstream, right.upstream) ||
    comparePart(left.revision, right.revision)
  )
}

function partsOf(version: string) {
  const [, epoch = '0', upstream = '', revision = ''] = /^(?:(\d+):)?(.*?)(?:-([^-]*))?$/.exec(version) ?? []
  return { epoch: Number(epoch), upstream, revision }
}

/** Runs of other characters and runs of digits take turns; the first that differs decides. */
function comparePart(a: string, b: string): number {
  const [left, right] = [runsOf(a), runsOf(b)]
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const [one = ['', ''], other = ['', '']] = [left[index], right[index]]
    const order = compareText(one[0], other[0]) || compareNumber(one[1], other[1])
    if (order !== 0) return order
  }
  return 0
}

function runsOf(part: string): (readonly [text: string, digits: string])[] {
  return [...part.matchAll(/(\D*)(\d*)/g)].map(([, text = '', digits = '']) => [text, digits])
}

/** A tilde comes before the end, the end before letters, letters before all else. */
function compareText(a: string, b: string): number {
  const weight = (character: string | undefined) => {
    if (character === '~') return -1
    if (character === undefined) return 0
    const code = character.charCodeAt(0)
    return /[A-Za-z]/.test(character) ? code : code + 256
  }
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const order = weight(a[index]) - weight(b[index])
    if (order !== 0) return order
  }
  return 0
}

/** Digits without end: a version may be a date with a time. */
function compareNumber(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  return left.length - right.length || (left === right ? 0 : left < right ? -1 : 1)
}
