import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commandFixture } from '../../src/cli/command-fixture.ts'
import { openContentStore } from '../../src/oci/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { releaseFixture } from '../../src/testing/index.ts'

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ashlar-completion-'))
  const { context } = commandFixture(realSys, join(folder, 'data'))
  const store = await openContentStore(realSys, context.folders.store)
  for (const tag of ['1.0.0', '1.1.0']) await releaseFixture(store.repository('gateway'), { tag })
  for (const name of ['node-1', 'node-2'])
    mkdirSync(join(context.folders.machines, name), { recursive: true })
  mkdirSync(join(folder, 'work/web'), { recursive: true })
  writeFileSync(join(folder, 'work/a.key'), '')
  for (const shell of ['bash', 'zsh', 'fish']) writeFileSync(join(folder, shell), ashlar('completion', shell))
  writeFileSync(join(folder, 'answers'), zshAnswers(join(folder, 'zsh')))
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true }))

const bin = resolve(import.meta.dirname, '../../bin')
const environment = () => ({
  PATH: `${bin}:${process.env.PATH}`,
  HOME: folder,
  ASHLAR_DATA: join(folder, 'data'),
  TERM: 'dumb',
  LC_ALL: 'C.UTF-8',
})
const ashlar = (...words: string[]) =>
  execFileSync(join(bin, 'ashlar'), words, { encoding: 'utf8', env: environment() })

/** Runs a script in a shell that has read no start file. */
function shell(words: readonly string[], script: string): readonly string[] {
  const [program = '', ...args] = words
  const ran = spawnSync(program, [...args, script], {
    cwd: join(folder, 'work'),
    encoding: 'utf8',
    env: environment(),
  })
  if (ran.stderr !== '' || ran.error !== undefined)
    throw new Error(`${program}: ${ran.error?.message ?? ran.stderr}`)
  return ran.stdout.split(/\r?\n/).filter((line) => line !== '')
}

/** What each shell answers when the key is pressed at the end of a line: its words, without the shell's own decoration. */
const press: Readonly<Record<string, (line: string) => readonly string[]>> = {
  bash: (line) =>
    shell(
      ['bash', '--norc', '-c'],
      `compopt() { :; }; source ${join(folder, 'bash')}
       COMP_LINE='${line}' COMP_POINT=${line.length}; _ashlar; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ),
  fish: (line) =>
    shell(['fish', '--no-config', '-c'], `source ${join(folder, 'fish')}; complete -C '${line}'`).map(
      (answer) => answer.split('\t')[0] ?? '',
    ),
  // zsh completes on a terminal only: one is made for it, and what would be shown there is written line by line.
  zsh: (line) =>
    shell(
      ['zsh', '-f', '-c'],
      `zmodload zsh/zpty
       zpty z zsh -f -i
       zpty -w z 'source ${join(folder, 'answers')}; print "<READY"">"'
       zpty -r z out '*<READY>*'
       zpty -n -w z '${line}'$'\\t'
       zpty -r z out '*<END>*'
       print -r -- "$out"`,
    )
      .flatMap((answer) => /<<(.*)>>/.exec(answer)?.[1] ?? [])
      .filter((answer, index, all) => all.indexOf(answer) === index),
}

/** Answers are given to zsh through `compadd`, which here writes down those that fit; `-O`, `-A` and `-D` only ask. */
const zshAnswers = (script: string) => `
autoload -Uz compinit && compinit -D -u
source ${script}
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  local -a hits
  builtin compadd -A hits "$@"
  local hit
  for hit in $hits; do print -r -- "<<$hit>>"; done
  builtin compadd "$@"
}
answer() { _main_complete; print '<END>' }
zle -C answer complete-word answer
bindkey '^I' answer
`

/** Bash is given only what stands behind the last colon, which is where it takes a word to begin. */
const cases: readonly [string, string, readonly string[], (readonly string[])?][] = [
  ['a command', 'ashlar bui', ['build']],
  ['a word of a group', 'ashlar machine st', ['start', 'stop']],
  ['an option', 'ashlar build --no', ['--no-cache']],
  ['an option of a word of a group', 'ashlar rollout start --wa', ['--watch']],
  ['a release', 'ashlar inspect gat', ['gateway:1.0.0', 'gateway:1.1.0']],
  ['a release behind its colon', 'ashlar inspect gateway:1.1', ['gateway:1.1.0'], ['1.1.0']],
  ['a release behind an option', 'ashlar inspect --digest gateway:1.1', ['gateway:1.1.0'], ['1.1.0']],
  ['a machine', 'ashlar machine start no', ['node-1', 'node-2']],
  ['the few values of an option', 'ashlar build --log-format j', ['json']],
  ['the few values of an argument', 'ashlar get fl', ['fleets']],
  ['an argument after an option and its value', 'ashlar get --log-format json rele', ['releases']],
  ['nothing where nothing is known', 'ashlar login htt', []],
]

describe.each(Object.keys(press))('%s completes', (name) => {
  test.each(cases)('%s: %s', (_, line, answers, inBash) => {
    const expected = name === 'bash' ? (inBash ?? answers) : answers
    expect([...(press[name]?.(line) ?? [])].toSorted()).toEqual(expected)
  })
  test('files behind an option that takes one', () => {
    expect(press[name]?.('ashlar serve --director-key a')).toEqual(['a.key'])
  })
  test('folders where a definition is wanted', () => {
    expect(press[name]?.('ashlar build w').map((answer) => answer.replace('/', ''))).toEqual(['web'])
  })
})

test('looking for values makes nothing on a host that has none', () => {
  const env = { ...environment(), ASHLAR_DATA: join(folder, 'none') }
  const ran = spawnSync(join(bin, 'ashlar'), ['completion', 'images'], { encoding: 'utf8', env })
  expect([ran.status, ran.stdout]).toEqual([0, ''])
  expect(spawnSync('ls', [join(folder, 'none')]).status).not.toBe(0)
})
