import { type Architecture, type Finding, parseReference, printReference } from '../../core/index.ts'
import { type Instruction, instructionsOf } from './containerfile-lines.ts'

/** What a Containerfile is built from, and what can be said of it before anything runs. */
export interface Containerfile {
  /** Images of registries that it names (FROM, COPY --from, RUN --mount), each once, in the one canonical spelling. */
  readonly bases: readonly string[]
  /** What nobody can promise to come out the same again. */
  readonly doubts: readonly Finding[]
  /** The text with each of these images called by `nameOf`, and the clock of the build known to each stage. */
  pinned(nameOf: (base: number) => string): string
}

export type ParsedContainerfile =
  | ({ readonly is: 'containerfile' } & Containerfile)
  | { readonly is: 'findings'; readonly findings: readonly Finding[] }

export interface ContainerfileOptions {
  /** Its name in findings. */
  readonly file: string
  readonly architecture: Architecture
  /** Values of its ARG lines. */
  readonly args: Readonly<Record<string, string>>
}

/**
 * Reads what of a Containerfile decides about its inputs, as buildah reads it (Containerfile(5)): stages, ARG in FROM,
 * lines that go on, here-documents. The rest is buildah's. What would be fetched while it is built is refused.
 */
export function parseContainerfile(text: string, options: ContainerfileOptions): ParsedContainerfile {
  const lines = text.split(/\r?\n/)
  const instructions = instructionsOf(lines)
  const reading = new Reading(options)
  for (const instruction of instructions) reading.read(instruction)
  const { findings, bases, doubts, replaced } = reading
  if (!instructions.some(({ word }) => word === 'FROM'))
    reading.refuse(0, 'stage-missing', 'it has no FROM line', 'begin it with FROM IMAGE, or FROM scratch')
  if (findings.length > 0) return { is: 'findings', findings }
  return { is: 'containerfile', bases, doubts, pinned: (nameOf) => replaceLines(lines, replaced, nameOf) }
}

type Line = (nameOf: (base: number) => string) => string

/** What takes the place of an instruction's lines. */
interface Replaced extends Pick<Instruction, 'first' | 'last'> {
  readonly line: Line
}

function replaceLines(
  lines: readonly string[],
  replaced: readonly Replaced[],
  nameOf: (base: number) => string,
): string {
  const byFirst = new Map(replaced.map((one) => [one.first, one]))
  const out: string[] = []
  for (let at = 0; at < lines.length; at++) {
    const here = byFirst.get(at)
    out.push(here?.line(nameOf) ?? lines[at] ?? '')
    at = here?.last ?? at
  }
  return out.join('\n')
}

/** Of a value with the values in it. One that names itself doubles with each line; no name of an image is a tenth as long. */
const valueCharactersMax = 4_000

/** An image that an instruction names: one of a registry, or another that the file itself makes. */
type Source = { readonly is: 'base'; readonly base: number } | { readonly is: 'own'; readonly name: string }

class Reading {
  readonly findings: Finding[] = []
  readonly doubts: Finding[] = []
  readonly bases: string[] = []
  readonly replaced: Replaced[] = []
  readonly #options: ContainerfileOptions
  readonly #stages = new Set<string>()
  #stagesCount = 0
  /** ARG lines before the first FROM, which only FROM lines see. */
  readonly #values: Map<string, string>

  constructor(options: ContainerfileOptions) {
    this.#options = options
    const platform = `linux/${options.architecture}`
    this.#values = new Map(
      ['TARGET', 'BUILD'].flatMap((of) => [
        [`${of}PLATFORM`, platform] as const,
        [`${of}OS`, 'linux'] as const,
        [`${of}ARCH`, options.architecture] as const,
      ]),
    )
  }

  read(instruction: Instruction): void {
    const { word, first } = instruction
    if (word === 'ARG' && this.#stagesCount === 0) this.#declare(instruction)
    if (word === 'FROM') this.#from(instruction)
    if (word === 'COPY' || word === 'ADD') this.#copy(instruction)
    if (word === 'RUN') this.#run(instruction)
    if (word === 'ADD' && /(?:^|[\s"[,])(?:[a-z][a-z0-9+.-]*:\/\/|git@)/i.test(instruction.rest))
      this.refuse(
        first,
        'add-remote',
        'ADD from a network address: what lies there can be another thing tomorrow, and a build has no network',
        'download it into the folder beside the Containerfile, and COPY it',
      )
  }

  refuse(line: number, code: string, message: string, hint: string): void {
    this.findings.push({ code, message, where: this.#place(line), hint })
  }

  #place(line: number): string {
    return `${this.#options.file}:${line + 1}`
  }

  #declare({ rest, first }: Instruction): void {
    for (const [, name = '', , quoted] of rest.matchAll(/([A-Za-z_]\w*)(=("[^"]*"|'[^']*'|\S*))?/g)) {
      const value =
        this.#options.args[name] ?? (quoted && this.#expand(quoted.replace(/^(["'])(.*)\1$/, '$2'), first))
      if (value !== undefined) this.#values.set(name, value)
    }
  }

  /** `$NAME`, `${NAME}`, `${NAME:-otherwise}`, `${NAME:+instead}`. */
  #expand(text: string, line: number): string {
    let characters = text.length
    const expanded = text.replace(
      /\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})/g,
      (_, bare?: string, name?: string, how?: string, word = '') => {
        const value = this.#values.get(bare ?? name ?? '') ?? ''
        const isWord = how === (value === '' ? '-' : '+')
        const put = isWord ? this.#expand(word, line) : how === '+' ? '' : value
        characters += put.length
        return characters > valueCharactersMax ? '' : put
      },
    )
    if (characters > valueCharactersMax)
      this.refuse(line, 'value-too-long', `a value of ${characters} characters`, 'name images in fewer')
    return expanded
  }

  #from({ rest, first, last }: Instruction): void {
    const [, flags = '', image = '', stage] = /^((?:--\S+\s+)*)(\S+)(?:\s+AS\s+(\S+))?\s*$/i.exec(rest) ?? []
    if (image === '') {
      this.refuse(first, 'from-unclear', 'this FROM line cannot be read', 'write FROM IMAGE [AS NAME]')
      return
    }
    const platform = /--platform=(\S+)/.exec(flags)?.[1]
    const own = `linux/${this.#options.architecture}`
    if (platform !== undefined && this.#expand(platform, first) !== own)
      this.refuse(
        first,
        'platform-other',
        `it is for ${platform}, and the image is for ${own}`,
        'leave --platform away, or change spec.arch',
      )
    const source = this.#sourceOf(this.#expand(image, first), first)
    this.#stages.add(String(this.#stagesCount++))
    if (stage !== undefined) this.#stages.add(stage.toLowerCase())
    if (source === undefined) return
    const as = stage === undefined ? '' : ` AS ${stage}`
    // Programs that know SOURCE_DATE_EPOCH write no time of their own (reproducible-builds.org).
    this.replaced.push({
      first,
      last,
      line: (nameOf) => `FROM ${nameIn(source, nameOf)}${as}\nARG SOURCE_DATE_EPOCH`,
    })
  }

  #copy({ word, rest, documents, first, last }: Instruction): void {
    const [, flags = '', from = ''] = /^((?:--\S+\s+)*?--from=)(\S+)/.exec(rest) ?? []
    if (from === '') return
    const source = this.#sourceOf(from, first)
    if (source?.is !== 'base') return
    const after = rest.slice(flags.length + from.length)
    const line: Line = (nameOf) =>
      [`${word} ${flags}${nameIn(source, nameOf)}${after}`, ...documents].join('\n')
    this.replaced.push({ first, last, line })
  }

  #run({ rest, documents, first, last }: Instruction): void {
    this.doubts.push({
      code: 'run-unproven',
      message: 'runs programs of the image, which may write a time, chance or the host into it',
      where: this.#place(first),
      hint: 'ashlar build --check builds twice and names each path that differs',
    })
    const [flags = ''] = /^(?:--\S+\s+)*/.exec(rest) ?? []
    if (/(?<=[=,])type=(?:secret|ssh)(?=[,\s])/.test(flags))
      this.refuse(
        first,
        'mount-secret',
        'a build has no secrets: what depends on one cannot be locked',
        'fetch what it opens beforehand, and COPY it',
      )
    const from = /(?<=[=,]from=)[^,\s]+/g
    const sources = new Map([...flags.matchAll(from)].map(([name]) => [name, this.#sourceOf(name, first)]))
    if (![...sources.values()].some((source) => source?.is === 'base')) return
    const named = (name: string, nameOf: (base: number) => string) => {
      const source = sources.get(name)
      return source === undefined ? name : nameIn(source, nameOf)
    }
    const line: Line = (nameOf) =>
      [
        `RUN ${flags.replace(from, (name) => named(name, nameOf))}${rest.slice(flags.length)}`,
        ...documents,
      ].join('\n')
    this.replaced.push({ first, last, line })
  }

  #sourceOf(name: string, line: number): Source | undefined {
    if (name === 'scratch' || this.#stages.has(name.toLowerCase())) return { is: 'own', name }
    const base = this.#baseOf(name, line)
    if (base === undefined) return undefined
    if (!this.bases.includes(base)) this.bases.push(base)
    return { is: 'base', base: this.bases.indexOf(base) }
  }

  #baseOf(name: string, line: number): string | undefined {
    const reference = asReference(name)
    if (reference?.registry === undefined) {
      this.refuse(
        line,
        'base-unclear',
        `${JSON.stringify(name)} is no stage of this file, and names no registry: which image it means would depend on the host`,
        'write HOST/REPOSITORY:TAG, with the host of the registry',
      )
      return undefined
    }
    const { registry, repository, tag, digest } = reference
    if (digest !== undefined) return printReference({ registry, repository, digest })
    const base = printReference({ registry, repository, tag: tag ?? 'latest' })
    this.doubts.push({
      code: 'base-by-tag',
      message: `${base} is pinned by ashlar.lock alone: without it, the tag may be another image`,
      where: this.#place(line),
    })
    return base
  }
}

function asReference(name: string) {
  try {
    return parseReference(name)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'reference-malformed') return undefined
    throw error
  }
}

function nameIn(source: Source, nameOf: (base: number) => string): string {
  return source.is === 'base' ? nameOf(source.base) : source.name
}
