import { join } from 'node:path'
import { cacheKey } from './cache.ts'
import { runScript } from './chamber.ts'
import { digestOf } from './definition-file.ts'
import { BuildError } from './errors.ts'
import { packagesTree, type TreeContext, toolsKey, toolsTree } from './trees.ts'

/**
 * What opens a verity root: initramfs-tools cannot. The drivers are those of virtual machines and of EROFS itself;
 * --no-hostonly adds what common hardware needs. dracut's own choice, zstd -15, takes four times as long as all its
 * other work together and saves an eighth.
 */
const dracutArguments = [
  ...['--force', '--quiet', '--reproducible', '--no-hostonly', '--no-early-microcode', '--nostrip'],
  ...['--compress', 'zstd -3 -q -T2'],
  ...['--add', 'systemd systemd-veritysetup'],
  ...['--add-drivers', 'erofs dm-verity overlay virtio_blk virtio_pci virtio_net vfat'],
]

const script = `
kernel=$1; shift
mkdir -p /run/ashlar/modules
rm -rf /usr/lib/modules
ln -s /run/ashlar/modules /usr/lib/modules
dracut "$@" --kver "$kernel" /run/ashlar/out/initrd
`

/** The version of the one kernel in a tree. @throws BuildError `kernel-missing` */
export async function kernelOf({ sys }: TreeContext, tree: string): Promise<string> {
  const kernels: string[] = []
  for (const name of await sys.disk.readdir(join(tree, 'usr/lib/modules')).catch(() => []))
    if (
      await sys.disk.access(join(tree, 'usr/lib/modules', name, 'vmlinuz')).then(
        () => true,
        () => false,
      )
    )
      kernels.push(name)
  const [kernel, ...others] = kernels
  if (kernel !== undefined && others.length === 0) return kernel
  throw new BuildError(
    'kernel-missing',
    `the image must have one kernel, and has ${kernels.length === 0 ? 'none' : kernels.join(', ')}`,
    {
      where: 'ashlar.yaml spec.kernel.package',
      hint: 'name one kernel package there and none in spec.packages',
    },
  )
}

/** The folder with `initrd`; made anew only when the tools, the image's packages or dracut's arguments changed. */
export async function initrdTree(context: TreeContext, kernel: string): Promise<string> {
  const { sys, cache, lock, progress } = context
  const kernels = lock.packages.filter(
    ({ name, source }) => /^linux\b/.test(source) || /^linux-image/.test(name),
  )
  const modules = join(await packagesTree(context), 'usr/lib/modules')
  const dependencies = digestOf(await sys.disk.readFile(join(modules, kernel, 'modules.dep')))
  const made = [toolsKey(context), kernels.map(({ digest }) => digest), dependencies]
  const key = cacheKey('initrd 1', [...made, lock.epochSeconds, dracutArguments])
  return cache.tree(key, async (out) => {
    const root = await toolsTree(context)
    const scratch = await cache.scratch('initrd')
    const folders = {
      root: join(scratch, 'root'),
      upper: join(scratch, 'upper'),
      work: join(scratch, 'work'),
    }
    for (const path of Object.values(folders)) await sys.disk.mkdir(path)
    progress({ step: 'make initrd', done: 0, total: 1, unit: 'items' })
    await runScript(
      sys,
      {
        root: folders.root,
        epochSeconds: lock.epochSeconds,
        overlay: { name: '/', lower: [root], writes: folders },
        binds: [
          { source: modules, name: 'modules' },
          { source: out, name: 'out', writable: true },
        ],
      },
      script,
      [kernel, ...dracutArguments],
    )
    progress({ step: 'make initrd', done: 1, total: 1, unit: 'items' })
  })
}
