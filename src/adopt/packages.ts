import type { Finding } from '../core/index.ts'
import { Dependencies } from './dependencies.ts'
import type { Facts, Package } from './facts.ts'
import { whySuperfluous } from './superfluous.ts'

export interface PackagePlan {
  /** What the definition asks for, sorted. */
  readonly packages: readonly string[]
  readonly kernel: string
  /** Everything that is in the image then, as far as the old system tells. */
  readonly image: ReadonlySet<string>
  /** Packages that Debian cannot give. */
  readonly strangers: ReadonlySet<string>
  readonly findings: readonly Finding[]
}

/** What every Ashlar system has beside Debian's essential packages. */
const ownRoots = ['systemd', 'systemd-sysv', 'udev', 'dbus', 'kmod', 'libstdc++6']

/** The packages that were asked for there and that Debian can give, without those that others bring. */
export function planPackages(facts: Facts): PackagePlan {
  const { available, strangers, findings } = sortPackages(facts)
  const kernel = kernelOf(facts)
  const dependencies = new Dependencies(available)
  const essential = [...available.values()].filter((one) => one.essential).map(({ name }) => name)
  const base = [...essential, ...ownRoots]
  const asked = smallest(dependencies, base, manualOf(facts, available))
  const { packages, added } = completed(dependencies, base, asked)
  const image = dependencies.closure([...base, ...packages])
  return {
    ...{ packages, kernel: kernel.name, image, strangers },
    findings: [
      ...[...findings, ...versionFindings(facts), ...kernel.findings, ...addedFindings(added)],
      ...[...orphansOf(facts, available, image), ...(facts.indexed ? [] : [unknownOrigins])],
    ],
  }
}

/** Those that an image can have, those that Debian cannot give, and what is said of these and of the rest. */
function sortPackages(facts: Facts) {
  const findings: Finding[] = []
  const available = new Map<string, Package>()
  const strangers = new Set<string>()
  const superfluous = new Map<string, string[]>()
  for (const one of facts.packages.values()) {
    const missing = whyMissing(facts, one)
    const needless = whySuperfluous(one.name)
    if (needless !== undefined) {
      if (!facts.automatic.has(one.name) && missing === undefined && !one.name.startsWith('linux-image-'))
        superfluous.set(needless, [...(superfluous.get(needless) ?? []), one.name])
    } else if (missing === undefined) available.set(one.name, one)
    else {
      findings.push(missing)
      strangers.add(one.name)
    }
  }
  for (const [reason, names] of superfluous)
    findings.push({ code: 'package-superfluous', message: `${names.toSorted().join(', ')}: ${reason}` })
  return { available, strangers, findings }
}

const unknownOrigins: Finding = {
  code: 'origins-unknown',
  message: 'there were no indexes of Debian’s archive to ask, so that all packages count as Debian’s',
  hint: 'ashlar lock names those that Debian does not have; after apt-get update there, adopt knows them',
}

function addedFindings(added: readonly string[]): readonly Finding[] {
  if (added.length === 0) return []
  const message = `listed though nobody asked for them there: ${added.join(', ')}`
  const hint =
    'an image has no recommended packages by itself, and takes the first choice of a dependency; take out what you do not want'
  return [{ code: 'package-added', message, hint }]
}

function manualOf(facts: Facts, available: ReadonlyMap<string, Package>): readonly string[] {
  return [...available.keys()].filter((name) => !facts.automatic.has(name)).toSorted()
}

/** Without each one that the others bring for certain. */
function smallest(
  dependencies: Dependencies,
  base: readonly string[],
  manual: readonly string[],
): readonly string[] {
  const fixed = dependencies.closure(base)
  let kept = manual.filter((name) => !fixed.has(name))
  for (const name of kept.toReversed()) {
    const others = kept.filter((other) => other !== name)
    if (dependencies.closure([...base, ...others]).has(name)) kept = others
  }
  return kept
}

/**
 * Adds what is installed there and would not come by itself: a dependency that is met by other than its first choice, and
 * what was recommended. Without them a system has no mail transport, or no certificates.
 */
function completed(dependencies: Dependencies, base: readonly string[], asked: readonly string[]) {
  const added = new Set<string>()
  for (let before = -1; before !== added.size; ) {
    before = added.size
    for (const name of dependencies.wanted(dependencies.closure([...base, ...asked, ...added])))
      added.add(name)
  }
  const needed = smallest(dependencies, [...base, ...asked], [...added].toSorted())
  return { packages: [...asked, ...needed].toSorted(), added: needed }
}

/** Whether Debian's `main` has a package of this name; a local or foreign one is named. */
function whyMissing(facts: Facts, { name, version, architecture }: Package): Finding | undefined {
  if (![facts.architecture, 'all'].includes(architecture))
    return {
      code: 'package-foreign',
      message: `${name} is of the architecture ${architecture}; an image has one alone`,
    }
  if (!facts.indexed) return undefined
  const offers = facts.offers.get(name) ?? []
  if (offers.some(({ origin, component }) => origin === 'Debian' && component === 'main')) return undefined
  const offer = offers.find((one) => one.version === version) ?? offers[0]
  if (offer === undefined)
    return {
      code: 'package-local',
      message: `${name} ${version} is in no archive that is set up there`,
      hint: 'put what it ships below rootfs/, or serve it from an archive of your own',
    }
  if (offer.origin === 'Debian')
    return {
      code: 'package-component',
      message: `${name} is in ${offer.component}; images are made of main`,
      hint: 'do without it, or put what it ships below rootfs/',
    }
  return {
    code: 'package-third-party',
    message: `${name} ${version} comes from ${offer.origin === '' ? 'an archive without a name' : offer.origin}, not from Debian`,
    hint: 'put what it ships below rootfs/, or use what Debian has in its place',
  }
}

/** Packages that come along at another version: those of another archive one by one, those that are only behind together. */
function versionFindings(facts: Facts): readonly Finding[] {
  const findings: Finding[] = []
  const moved: string[] = []
  for (const { name, version, held } of facts.packages.values()) {
    const offers = facts.offers.get(name) ?? []
    const debian = offers.filter(({ origin, component }) => origin === 'Debian' && component === 'main')
    const other = offers.find((offer) => offer.version === version && !debian.includes(offer))
    if (held)
      findings.push({
        code: 'package-held',
        message: `${name} is held at ${version}; a lock takes what the archive has`,
        hint: 'ashlar.lock keeps its versions from then on, so that nothing moves by itself',
      })
    if (debian.length === 0 || debian.some((offer) => offer.version === version)) continue
    const versions = [...new Set(debian.map((offer) => offer.version))].join(' or ')
    if (other === undefined) moved.push(`${name} ${version} → ${versions}`)
    else
      findings.push({
        code: 'package-version',
        message: `${name} is at ${version} from ${other.origin === '' ? 'another archive' : other.origin}; Debian has ${versions}`,
      })
  }
  if (moved.length > 0)
    findings.push({
      code: 'package-version',
      message: `Debian has other versions now: ${moved.toSorted().join(', ')}`,
    })
  return findings
}

/** What only a package that stays behind needed: whoever carries that one over by hand needs it too. */
function orphansOf(
  facts: Facts,
  available: ReadonlyMap<string, Package>,
  image: ReadonlySet<string>,
): readonly Finding[] {
  const all = new Dependencies(facts.packages)
  return [...facts.packages.values()].flatMap((one): Finding[] => {
    if (available.has(one.name) || whySuperfluous(one.name) !== undefined) return []
    const needed = [...all.closure([one.name])].filter((name) => available.has(name) && !image.has(name))
    return needed.length === 0
      ? []
      : [
          {
            code: 'package-orphan',
            message: `only ${one.name} needed ${needed.toSorted().join(', ')}`,
            hint: 'add them to spec.packages when you bring it along by hand',
          },
        ]
  })
}

/** The kernel's package that follows its updates. */
function kernelOf(facts: Facts): { readonly name: string; readonly findings: readonly Finding[] } {
  const usual = `linux-image-${facts.architecture}`
  const names = [...facts.packages.keys()].filter((name) => name.startsWith('linux-image-'))
  const following = names.filter((name) => !/^linux-image-\d/.test(name) && !/-dbg$/.test(name))
  const chosen = following.includes(usual) ? usual : following.toSorted()[0]
  const found = chosen === undefined ? undefined : facts.packages.get(chosen)
  if (found !== undefined && whyMissing(facts, found) === undefined) return { name: found.name, findings: [] }
  const message =
    names.length === 0
      ? `there is no kernel package; the image has ${usual}`
      : `${names.join(', ')} cannot be followed; the image has ${usual}`
  return {
    name: usual,
    findings: [{ code: 'kernel-chosen', message, hint: 'see spec.kernel in ashlar.yaml' }],
  }
}
