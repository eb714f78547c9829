import { CliError, type Context } from './context.ts'

/** @throws CliError `file-missing` */
export async function readTextFile({ sys }: Context, path: string): Promise<string> {
  try {
    return await sys.disk.readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new CliError('file-missing', 'there is no such file', { where: path, cause })
  }
}

/** Like {@link readTextFile}, but undefined where there is no such file. */
export async function readTextFileIfThere(context: Context, path: string): Promise<string | undefined> {
  try {
    return await readTextFile(context, path)
  } catch (error) {
    if (error instanceof CliError && error.code === 'file-missing') return undefined
    throw error
  }
}
