/** One statement of apt's on why it gives up: `name : Depends: nowhere but it is not installable`. */
export interface AptReason {
  readonly package: string
  readonly says: string
}

/**
 * What apt itself says of packages that it cannot install together: the list of its old solver, where each package is
 * named once and its further relations stand below; else the numbered steps of the new one (apt 3.0), of which those
 * with a relation tell something.
 */
export function readExplanation(output: string): readonly AptReason[] {
  const lines = output.split('\n')
  const list = reasonsOfList(lines)
  return list.length > 0 ? list : reasonsOfSteps(lines)
}

const relations = 'Depends|PreDepends|Conflicts|Breaks|Recommends|Obsoletes'

function reasonsOfList(lines: readonly string[]): readonly AptReason[] {
  const first = new RegExp(`^ (\\S+) : ((?:${relations}): .*)$`)
  const further = new RegExp(`^ {2,}((?:${relations}): .*)$`)
  const reasons: { package: string; says: string }[] = []
  for (const line of lines) {
    const [, name, says] = first.exec(line) ?? []
    const last = reasons.at(-1)
    if (name !== undefined && says !== undefined) reasons.push({ package: name, says })
    else if (last !== undefined && further.test(line))
      reasons.push({ package: last.package, says: line.trim() })
    // An alternative, below the one that ends in "or".
    else if (last?.says.endsWith(' or') && line.startsWith('  ')) last.says += ` ${line.trim()}`
  }
  return reasons
}

function reasonsOfSteps(lines: readonly string[]): readonly AptReason[] {
  const step = new RegExp(`^ +\\d+\\. (\\S+?):\\S+ ((?:${relations}) .*)$`)
  const found = lines.flatMap((line) => {
    const [, name, says] = step.exec(line) ?? []
    return name === undefined || says === undefined ? [] : [{ package: name, says }]
  })
  return found
}
