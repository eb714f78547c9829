import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { wholeProgram } from '../script/program.ts'
import { referencePages, root } from '../script/reference.ts'

const pages = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const withoutBlocks = (text: string) => text.replaceAll(/^```.*?^```$/gms, '')

/** The anchors that a page's headings get: lower case, blanks as dashes, all other signs left out. */
function anchorsOf(path: string): readonly string[] {
  const headings = withoutBlocks(read(path)).matchAll(/^#{1,6} (.*)$/gm)
  return [...headings].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** Why a link of a page leads nowhere, if it does. */
function faultOf(page: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : relative(root, resolve(root, dirname(page), path))
  if (!existsSync(join(root, file))) return `${page}: there is no ${target}`
  if (anchor === undefined || anchorsOf(file).includes(anchor)) return undefined
  return `${page}: ${file} has no heading #${anchor}`
}

function linksOf(page: string): readonly string[] {
  const text = withoutBlocks(read(page)).replaceAll(/`[^`\n]*`/g, '')
  return [...text.matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
}

describe('links', () => {
  test('there are some', () => {
    expect(pages.flatMap(linksOf).length).toBeGreaterThan(20)
    expect(faultOf('README.md', 'docs/nowhere.md')).toMatch(/no docs\/nowhere/)
    expect(faultOf('README.md', 'ARCHITECTURE.md#nowhere')).toMatch(/no heading/)
  })

  test('each leads to a file and to a heading in it', () => {
    expect(pages.flatMap((page) => linksOf(page).flatMap((target) => faultOf(page, target) ?? []))).toEqual(
      [],
    )
  })

  test('every page of docs/ is reached from its map', () => {
    const reached = new Set(['docs/index.md'])
    for (const page of reached)
      for (const target of linksOf(page)) {
        const file = relative(root, resolve(root, dirname(page), target.split('#')[0] ?? ''))
        if (file.startsWith('docs/') && file.endsWith('.md') && existsSync(join(root, file)))
          reached.add(file)
      }
    expect(pages.filter((page) => page.startsWith('docs/') && !reached.has(page))).toEqual([])
  })
})

describe('the reference', () => {
  test('is what script/docs makes', async () => {
    const made = await referencePages()
    for (const [name, text] of Object.entries(made))
      expect(read(`docs/reference/${name}`), `${name} is old: run script/docs`).toBe(text)
    expect(pages.filter((page) => page.startsWith('docs/reference/')).toSorted()).toEqual(
      Object.keys(made)
        .map((name) => `docs/reference/${name}`)
        .toSorted(),
    )
  })

  test('says of each key what it means', async () => {
    const made = await referencePages()
    for (const name of ['definition.md', 'lock.md', 'resources.md'])
      expect(made[name]?.split('\n').filter((line) => line.endsWith('|  |'))).toEqual([])
  })

  test('knows what each frequent error is mended by', async () => {
    const { 'errors.md': errors = '' } = await referencePages()
    for (const row of [
      /^\| `archive-expired` \| 1 \| the archive index has expired.* \| compare date -u .*spec\.base\.mirrors \|$/m,
      /^\| `not-logged-in` \| 78 \| no server is known here \| ashlar login URL --token-file FILE \|$/m,
      /^\| `client-too-old` \| 1 \|.*\| install the version that the server runs \|$/m,
      /^\| `signature-missing` \|.*\| sign it and push it again: .* \|$/m,
    ])
      expect(errors).toMatch(row)
  })
})

/** Why a call that a text speaks of is none, if it is: words and options are looked up, values are not. */
function strangeIn(call: string, program: Command): string | undefined {
  let command = program
  for (const word of call.split(/\s+/).slice(1)) {
    const next = command.commands.find((inner) => inner.name() === word)
    if (next !== undefined) command = next
    else if (word.startsWith('--') && word.length > 2) {
      const name = word.replace(/=.*/, '')
      const known = command.options.some(({ long }) => long === name)
      if (!known && !['--help', '--version'].includes(name)) return `${call}: no option ${name}`
    } else if (command.commands.length > 0 && !/^[A-Z…]/.test(word) && !word.includes('|'))
      return `${call}: no command ${word}`
  }
  return undefined
}

test('every call of ashlar in a text is one that there is', async () => {
  const program = await wholeProgram()
  expect(strangeIn('ashlar biuld web', program)).toMatch(/no command/)
  expect(strangeIn('ashlar build --chek', program)).toMatch(/no option/)
  const texts = pages.filter((page) => page === 'README.md' || page.startsWith('docs/'))
  const calls = texts.flatMap((page) =>
    [...withoutBlocks(read(page)).matchAll(/`(ashlar [^`\n]+)`/g)].map(([, call = '']) => call),
  )
  expect(calls.length).toBeGreaterThan(30)
  expect(calls.flatMap((call) => strangeIn(call, program) ?? [])).toEqual([])
})
