import type { Command } from 'commander'
import { printEnrolment } from '../identity/index.ts'
import type { Registrar } from './command.ts'
import { CliError, type Context } from './context.ts'
import { openSession } from './session.ts'

/** `ashlar token …`: credentials that others need once or for a while. */
export function addToken(registrar: Registrar): void {
  const token = registrar.group('token', 'make tokens for nodes and people; each is shown once')
  addEnrol(registrar, token)
  addOperator(registrar, token)
}

function addEnrol({ command, act }: Registrar, token: Command): void {
  command(
    {
      usage: 'enrol <node>',
      summary: 'a one-time text with which a machine becomes this node',
      about:
        'The text holds the server’s address, its fingerprint, the node’s name and a one-time secret. Give it to the machine that is to become this node; ashlar machine create does so by itself. It makes one node, once.',
      examples: ['token enrol node-1 --label site=hamburg'],
      see: ['machine create', 'get'],
    },
    token,
  )
    .option('--label <key=value...>', 'labels that the node will have', [])
    .option('--ttl <seconds>', 'how long it may be used', '3600')
    .action(
      act<{ label: string[]; ttl: string }>(async (context, [node = ''], { label, ttl }) => {
        const text = await mintEnrolment(context, node, parseLabels(label), parseSeconds(ttl))
        return { json: { node, enrolment: text }, text }
      }),
    )
}

function addOperator({ command, act }: Registrar, token: Command): void {
  command(
    {
      usage: 'operator <name>',
      summary: 'a token for a person or program that operates this server',
      about:
        'Who holds it may do all that a person may do with this server, until it expires. Each person and each program gets one of its own: the log names it.',
      examples: ['token operator ci --ttl 3600'],
      see: ['login', 'log'],
    },
    token,
  )
    .option('--ttl <seconds>', 'how long it may be used', '86400')
    .action(
      act<{ ttl: string }>(async (context, [name = ''], { ttl }) => {
        const { client } = await openSession(context)
        const answer = await client.createToken({ is: 'operator', name, ttlSeconds: parseSeconds(ttl) })
        return { json: { name, ...answer }, text: answer.token }
      }),
    )
}

/** The whole of what a machine needs to enrol itself: server, fingerprint, name and one-time secret. */
export async function mintEnrolment(
  context: Context,
  node: string,
  labels: Record<string, string>,
  ttlSeconds = 3_600,
): Promise<string> {
  const { client, login } = await openSession(context)
  const { token } = await client.createToken({ is: 'enrolment', node, labels, ttlSeconds })
  return printEnrolment({
    server: login.url,
    node,
    secret: token,
    ...(login.fingerprint !== undefined && { fingerprint: login.fingerprint }),
  })
}

/** @throws CliError `usage` */
function parseSeconds(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new CliError('usage', `${JSON.stringify(text)} is no number of seconds`, { hint: 'write --ttl 3600' })
}

/** @throws CliError `usage` */
export function parseLabels(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=')
      if (equals < 1)
        throw new CliError('usage', `${JSON.stringify(text)} is not a label`, { hint: 'write key=value' })
      return [text.slice(0, equals), text.slice(equals + 1)]
    }),
  )
}
