import { CliError, type Context } from './context.ts'

/** What a new definition is made of. */
export interface Answers {
  readonly name: string
  readonly form: 'system' | 'container'
  readonly packages: readonly string[]
}

export interface Given {
  readonly name?: string
  readonly form?: string
  readonly package?: string[]
}

/** One question: what is asked, what an empty answer means, and what an answer is; text in place of it says what is wrong. */
interface Question<T> {
  readonly ask: string
  readonly otherwise: string
  parse(text: string): { readonly is: T } | { readonly wrong: string }
}

/** A person may be wrong this often. */
const triesMax = 5

/** What was given, then what a person answers, else the defaults. @throws CliError `usage` */
export async function answersFor(ask: Context['ask'], given: Given, folderName: string): Promise<Answers> {
  const name = await answer(ask, given.name, nameQuestion(imageNameOf(folderName)))
  const form = await answer(ask, given.form, formQuestion)
  const packages = await answer(ask, given.package?.join(' '), packagesQuestion(form))
  return { name, form, packages }
}

async function answer<T>(ask: Context['ask'], given: string | undefined, question: Question<T>): Promise<T> {
  const told = given ?? (ask === undefined ? question.otherwise : undefined)
  if (told !== undefined || ask === undefined) return parsed(question, told ?? question.otherwise)
  let why = ''
  for (let tries = 0; tries < triesMax; tries++) {
    const text = (await ask(`${why}${question.ask} [${question.otherwise || 'none'}] `)).trim()
    const result = question.parse(text === '' ? question.otherwise : text)
    if ('is' in result) return result.is
    why = `${result.wrong}. `
  }
  throw new CliError('usage', why.trim(), { hint: 'ashlar init --help shows what can be given as options' })
}

function parsed<T>(question: Question<T>, text: string): T {
  const result = question.parse(text)
  if ('is' in result) return result.is
  throw new CliError('usage', result.wrong, { hint: 'ashlar init --help' })
}

const nameQuestion = (otherwise: string): Question<string> => ({
  ask: 'Name of the image?',
  otherwise,
  parse: (text) =>
    /^[a-z0-9][a-z0-9-]{0,62}$/.test(text)
      ? { is: text }
      : { wrong: `${JSON.stringify(text)} is no name: use 1 to 63 lower-case letters, digits and dashes` },
})

const formQuestion: Question<'system' | 'container'> = {
  ask: 'A system, which boots on a node, or a container?',
  otherwise: 'system',
  parse: (text) =>
    text === 'system' || text === 'container'
      ? { is: text }
      : { wrong: `no form ${JSON.stringify(text)}: say system or container` },
}

const packagesQuestion = (form: Answers['form']): Question<readonly string[]> => ({
  ask: 'Which Debian packages does it run?',
  otherwise: form === 'system' ? 'nginx-light' : '',
  parse(text) {
    const names = text.split(/[\s,]+/).filter((name) => name !== '')
    const wrong = names.find((name) => !/^[a-z0-9][a-z0-9+.-]+$/.test(name))
    return wrong === undefined
      ? { is: names }
      : { wrong: `${JSON.stringify(wrong)} is no name of a Debian package` }
  },
})

function imageNameOf(folderName: string): string {
  const name = folderName
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return name === '' ? 'image' : name.slice(0, 63)
}
