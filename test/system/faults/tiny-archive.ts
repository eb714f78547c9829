import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type ArchivePackages, type DebianArchive, debianArchive } from '../../../src/testing/index.ts'

/** What dpkg, the scripts of a build and their first process want to find in an image. */
const programs = [
  ...['sh', 'env', 'dpkg', 'dpkg-deb', 'dpkg-query', 'dpkg-split', 'dpkg-trigger', 'tar', 'gzip', 'find'],
  ...['cat', 'chmod', 'cp', 'ln', 'ls', 'mkdir', 'mkfifo', 'mv', 'rm', 'rmdir', 'sha256sum', 'sort', 'stat'],
  ...[
    'tee',
    'touch',
    'true',
    'diff',
    'grep',
    'sed',
    'xargs',
    'readlink',
    'dirname',
    'basename',
    'head',
    'cut',
  ],
]
const systemPrograms = ['ldconfig', 'start-stop-daemon', 'chroot']

/**
 * An archive with an image of 10 MB that is built in a second: its one essential package holds copies of this host's
 * own programs and their libraries. The real programs do the real work; only what they are packed in is made up.
 */
export async function tinyArchive(folder: string, more: ArchivePackages = {}): Promise<DebianArchive> {
  const tree = join(folder, 'trees/base-files')
  const paths = [...programs.map((name) => pathOf(name)), ...systemPrograms.map((name) => pathOf(name))]
  for (const path of new Set([...paths, ...paths.flatMap(librariesOf)])) copyInto(tree, path)
  for (const path of ['cache', 'lib', 'log', 'tmp']) mkdirSync(join(tree, 'var', path), { recursive: true })
  for (const [path, text] of Object.entries({
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
    'etc/group': 'root:x:0:\n',
    'usr/lib/os-release': 'ID=debian\nNAME=Debian\nPRETTY_NAME=Debian\n',
  })) {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), text)
  }
  // Random bytes: a package that takes its time on a slow way.
  mkdirSync(join(folder, 'trees/hello/usr/share/hello'), { recursive: true })
  execFileSync(
    'dd',
    ['if=/dev/urandom', `of=${join(folder, 'trees/hello/usr/share/hello/noise')}`, 'bs=1M', 'count=4'],
    {
      stdio: 'ignore',
    },
  )
  return await debianArchive(folder, {
    'base-files': { Essential: 'yes' },
    'usr-is-merged': {},
    hello: { Depends: 'libhello' },
    libhello: {},
    ...more,
  })
}

function pathOf(program: string): string {
  const found = ['/usr/bin', '/usr/sbin', '/bin', '/sbin'].map((folder) => join(folder, program))
  const path = found.find((candidate) => existsSync(candidate))
  if (path === undefined) throw new Error(`this host has no ${program}`)
  return path
}

function librariesOf(program: string): readonly string[] {
  const listed = execFileSync('sh', ['-c', 'ldd "$1" || true', 'sh', program], {
    encoding: 'utf8',
    stdio: 'pipe',
  })
  return [...listed.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
}

/** Below /usr: the links from / are made when the first package is unpacked. */
function copyInto(tree: string, path: string): void {
  const target = join(tree, 'usr', dirname(path).replace(/^\/usr/, ''), basename(path))
  mkdirSync(dirname(target), { recursive: true })
  copyFileSync(path, target)
}
