import { join } from 'node:path'
import type { Sys } from '../sys/index.ts'
import { BuildError } from './errors.ts'
import type { ImageTree } from './image/index.ts'
import { kernelOf } from './initrd.ts'
import { toolsImage } from './kept-layers.ts'
import type { TreeContext } from './tree/index.ts'
import { runScript } from './workshop/index.ts'

/**
 * The boot line that every node has. A boot that fails must end in another one, never at a prompt, so that the boot
 * loader's counting goes on (dracut.cmdline(7), rd.shell and rd.emergency).
 */
export const bootArguments = ['rd.shell=0', 'rd.emergency=reboot', 'panic=5', 'ro']

/**
 * The unified kernel image: sections behind the stub's last one, each on a page of its own (UAPI.5). The os-release in
 * it names no version: systemd-boot would order entries by it, and never try an older release.
 */
const script = `
cd /run/ashlar/out
stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
printf %s "$1" > cmdline
printf %s "$2" > uname
grep -E '^(ID|NAME|PRETTY_NAME)=' os-release > osrel
page() { echo $((($1 + 4095) / 4096 * 4096)); }
end=0
while read -r _ _ size vma _; do
  section=$((0x$vma + 0x$size))
  [ $section -le $end ] || end=$section
done <<END
$(objdump -h "$stub" | grep -E '^ +[0-9]+ ')
END
set --
for pair in .osrel=osrel .cmdline=cmdline .uname=uname .linux=vmlinuz .initrd=initrd; do
  file=/run/ashlar/out/\${pair#*=}
  [ $file != /run/ashlar/out/initrd ] || file=/run/ashlar/initrd
  end=$(page $end)
  set -- "$@" --add-section "\${pair%=*}=$file" --change-section-vma "\${pair%=*}=$end"
  end=$((end + $(stat -c %s "$file")))
done
objcopy "$@" "$stub" boot.efi
`

/** Makes `boot.efi` in `out`, of the image's kernel and the initrd. Returns the kernel's version. */
export async function makeBootFile(
  context: TreeContext,
  out: string,
  image: { readonly tree: ImageTree; readonly initrd: string; readonly roothash: string },
  kernelArguments: readonly string[],
): Promise<string> {
  const { sys, cache, lock } = context
  const kernel = kernelOf(image.tree)
  await copyOut(sys, image.tree, `/usr/lib/modules/${kernel}/vmlinuz`, join(out, 'vmlinuz'))
  await copyOut(sys, image.tree, '/usr/lib/os-release', join(out, 'os-release'))
  const line = [`roothash=${image.roothash}`, ...bootArguments, ...kernelArguments].join(' ')
  const chamber = {
    root: await cache.scratch('boot'),
    image: await toolsImage(context),
    binds: [
      { source: image.initrd, name: 'initrd' },
      { source: out, name: 'out', writable: true },
    ],
    epochSeconds: lock.epochSeconds,
  }
  await runScript(sys, chamber, script, [line, kernel])
  await stampBootFile(sys, join(out, 'boot.efi'), lock.epochSeconds)
  return kernel
}

async function copyOut(sys: Sys, tree: ImageTree, path: string, target: string): Promise<void> {
  const file = tree.find(path)
  if (file?.kind !== 'file')
    throw new BuildError('file-missing', `the image has no ${path}`, {
      where: 'ashlar.yaml spec.packages',
      hint: 'keep the packages that bring it',
    })
  await sys.disk.writeFile(target, await tree.read(file))
}

/**
 * objcopy writes the clock's time into the file's header, and a checksum over it ("PE Format", COFF header TimeDateStamp,
 * optional header CheckSum). Firmware reads neither.
 */
async function stampBootFile(sys: Sys, path: string, epochSeconds: number): Promise<void> {
  const file = await sys.disk.open(path, 'r+')
  try {
    const field = Buffer.alloc(4)
    await file.read(field, 0, 4, 0x3c)
    const header = field.readUInt32LE()
    field.writeUInt32LE(epochSeconds)
    await file.write(field, 0, 4, header + 8)
    await file.write(Buffer.alloc(4), 0, 4, header + 88)
  } finally {
    await file.close()
  }
}
