import { join } from 'node:path'
import { readDefinition, trustText } from '../build/index.ts'
import { AshlarError, parseTrustRoot, type TrustRoot } from '../core/index.ts'
import { CliError, type Context } from './context.ts'
import { readTextFile } from './files.ts'

/** Reads whom to believe from a `trust.json`, or from the definition in a folder. @throws CliError `trust-missing` */
export async function readTrust(context: Context, path: string): Promise<TrustRoot> {
  const { isFile } = await context.sys.disk.stat(path).then(
    (stat) => ({ isFile: stat.isFile() }),
    () => ({ isFile: true }),
  )
  if (isFile) return parseTrustRoot(await readTextFile(context, path), path)
  const { definition } = await readDefinition(context.sys, path).catch((cause: unknown) => {
    if (!(cause instanceof AshlarError) || cause.code !== 'definition-missing') throw cause
    throw new CliError('trust-missing', 'no trusted keys were named, and there is no definition here', {
      where: join(path, 'ashlar.yaml'),
      hint: 'name whom you believe: --trust FOLDER-OF-A-DEFINITION, or --trust trust.json',
      cause,
    })
  })
  const { trust } = definition.spec
  if (trust !== undefined) return parseTrustRoot(await trustText(context.sys, path, trust), path)
  throw new CliError('trust-missing', 'this definition names no trusted keys', {
    where: join(path, 'ashlar.yaml'),
    hint: 'name a definition with trust:, or a trust.json, with --trust',
  })
}
