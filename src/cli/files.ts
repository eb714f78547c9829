import { dirname } from 'node:path'
import { CliError, type Context } from './context.ts'

/** @throws CliError `file-missing`, `path-unfit` */
export async function readTextFile({ sys }: Context, path: string): Promise<string> {
  try {
    return await sys.disk.readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    // The kernel names no path here: it opens a folder, and only refuses to read it.
    if (code === 'EISDIR')
      throw new CliError('path-unfit', 'this is a folder, not a file', {
        where: path,
        hint: 'name a file in it',
        cause,
      })
    if (code !== 'ENOENT') throw cause
    throw new CliError('file-missing', 'there is no such file', {
      where: path,
      hint: `see what is there: ls -l ${dirname(path)}`,
      cause,
    })
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
