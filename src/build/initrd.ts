import { join } from 'node:path'
import { BuildError } from './errors.ts'
import type { ImageTree } from './image/index.ts'
import { toolsImage } from './kept-layers.ts'
import { extractLocked, type TreeContext, toolsKey } from './tree/index.ts'
import { cacheKey, runScript } from './workshop/index.ts'

/**
 * What opens a verity root: initramfs-tools cannot. The drivers are those of virtual machines and of EROFS itself;
 * --no-hostonly adds what common hardware needs. dracut's own choice, zstd -15, takes four times as long as all its
 * other work together and saves an eighth.
 */
export const dracutArguments = [
  ...['--force', '--quiet', '--reproducible', '--no-hostonly', '--no-early-microcode', '--nostrip'],
  ...['--compress', 'zstd -3 -q -T2'],
  ...['--add', 'systemd systemd-veritysetup'],
  ...['--add-drivers', 'erofs dm-verity overlay virtio_blk virtio_pci virtio_net vfat'],
]

const script = `
kernel=$1; shift
rm -rf /usr/lib/modules
ln -s /run/ashlar/kernel/usr/lib/modules /usr/lib/modules
depmod "$kernel"
dracut "$@" --kver "$kernel" /run/ashlar/out/initrd
`

/** The version of the one kernel in an image. @throws BuildError `kernel-missing` */
export function kernelOf(tree: ImageTree): string {
  const modules = '/usr/lib/modules'
  return onlyKernel(
    tree.names(modules).filter((name) => tree.find(`${modules}/${name}/vmlinuz`)?.kind === 'file'),
  )
}

function onlyKernel(kernels: readonly string[]): string {
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

/**
 * The initrd. It needs the kernel's own packages and nothing else of the image, so that it can be made while the others
 * are installed.
 */
export async function initrdOf(context: TreeContext): Promise<string> {
  const { sys, cache, lock, progress } = context
  const kernels = lock.packages.filter(({ source }) => /^linux(?:-|$)/.test(source))
  const made = [toolsKey(context), kernels.map(({ digest }) => digest)]
  const key = cacheKey('initrd', [...made, lock.epochSeconds, dracutArguments])
  const { folder } = await cache.entry(key, 'initrd', async (out) => {
    const image = await toolsImage(context)
    const extracted = await cache.scratch('kernel')
    await extractLocked(context, 'kernel', kernels, extracted)
    const scratch = await cache.scratch('initrd')
    const paths = { root: join(scratch, 'root'), upper: join(scratch, 'upper'), work: join(scratch, 'work') }
    for (const path of Object.values(paths)) await sys.disk.mkdir(path)
    const step = { step: 'make initrd', total: 1, unit: 'items' } as const
    progress({ ...step, done: 0 })
    const binds = [
      { source: extracted, name: 'kernel', writable: true },
      { source: out, name: 'out', writable: true },
    ]
    const kernel = onlyKernel(await sys.disk.readdir(join(extracted, 'usr/lib/modules')).catch(() => []))
    const chamber = { root: paths.root, image, writes: paths, binds, epochSeconds: lock.epochSeconds }
    await runScript(sys, chamber, script, [kernel, ...dracutArguments])
    await sys.disk.rm(extracted, { recursive: true })
    progress({ ...step, done: 1 })
  })
  return join(folder, 'initrd')
}
