import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Definition, type Digest, type DiskForm, digestFromHex, mediaType } from '../core/index.ts'
import type { Descriptor } from '../oci/index.ts'
import type { Sys } from '../sys/index.ts'
import { cacheKey } from './cache.ts'
import { type Chamber, runScript } from './chamber.ts'
import { initrdTree, kernelOf } from './initrd.ts'
import { type TreeContext, toolsKey, toolsTree } from './trees.ts'

/** The disk form of one release: what the document says of it, and the blobs. */
export interface BuiltDisk {
  readonly form: DiskForm
  readonly root: Descriptor
  readonly verity: Descriptor
  readonly boot: Descriptor
}

/**
 * Both name the file system and the hash tree of every release: nothing finds them by it, and one that is made by
 * chance would differ in each build. The salt is fixed for the same reason; it guards against nothing here, since the
 * root hash is public.
 */
const rootUuid = '8f2a6d1e-3b0c-4f57-9a68-61736c617201'
const verityUuid = '8f2a6d1e-3b0c-4f57-9a68-61736c617202'
const salt = '0'.repeat(64)

/**
 * The boot line that every node has. A boot that fails must end in another one, never at a prompt, so that the boot
 * loader's counting goes on (dracut.cmdline(7), rd.shell and rd.emergency).
 */
const bootArguments = ['rd.shell=0', 'rd.emergency=reboot', 'panic=5', 'ro']

/** The root in EROFS without compression, so that versions share bytes. SOURCE_DATE_EPOCH caps times as in the layers. */
const rootScript = `
cd /run/ashlar/out
mkfs.erofs --quiet -U "$1" root.erofs /run/ashlar/tree
veritysetup format --salt="$2" --uuid="$3" --root-hash-file=roothash root.erofs root.verity > /dev/null
`

/**
 * The unified kernel image: sections behind the stub's last one, each on a page of its own (UAPI.5). The os-release in
 * it names no version: systemd-boot would order entries by it, and never try an older release.
 */
const bootScript = `
cd /run/ashlar/out
stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
printf %s "$1" > cmdline
printf %s "$2" > uname
grep -E '^(ID|NAME|PRETTY_NAME)=' /run/ashlar/tree/usr/lib/os-release > osrel
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
  case $pair in
    *=vmlinuz) file=/run/ashlar/tree/usr/lib/modules/$(cat uname)/vmlinuz ;;
    *=initrd) file=/run/ashlar/initrd/initrd ;;
  esac
  end=$(page $end)
  set -- "$@" --add-section "\${pair%=*}=$file" --change-section-vma "\${pair%=*}=$end"
  end=$((end + $(stat -c %s "$file")))
done
objcopy "$@" "$stub" boot.efi
`

const packScript = `
cd /run/ashlar/out
for name in root.erofs root.verity boot.efi; do zstd --quiet -3 -T2 "$name" -o "$name.zst"; done
`

/** Makes the disk form of a tree, seen through `lower`, topmost first. `content` is the digest of all that is in it. */
export async function diskFormOf(
  context: TreeContext,
  lower: readonly string[],
  content: readonly Digest[],
  kernelArguments: Definition['spec']['kernel']['arguments'],
): Promise<BuiltDisk> {
  const { blobs, cache, lock } = context
  const key = cacheKey('disk 3', [
    content,
    toolsKey(context),
    kernelArguments,
    lock.epochSeconds,
    bootArguments,
  ])
  return cache.record(
    key,
    () => makeDisk(context, lower, kernelArguments),
    async ({ root, verity, boot }) => {
      const found = await Promise.all([root, verity, boot].map(({ digest }) => blobs.stat(digest)))
      return found.every((stat) => stat !== undefined)
    },
  )
}

async function makeDisk(
  context: TreeContext,
  lower: readonly string[],
  kernelArguments: readonly string[],
): Promise<BuiltDisk> {
  const { sys, cache, lock, progress } = context
  const kernel = await kernelOf(context, lower.at(-1) ?? '')
  const initrd = await initrdTree(context, kernel)
  const out = await cache.scratch('disk')
  const chamber: Chamber = {
    root: await toolsTree(context),
    epochSeconds: lock.epochSeconds,
    overlay: { name: 'tree', lower },
    binds: [
      { source: initrd, name: 'initrd' },
      { source: out, name: 'out', writable: true },
    ],
  }
  const step = { step: 'make disk form', total: 4, unit: 'items' } as const
  progress({ ...step, done: 0 })
  await runScript(sys, chamber, rootScript, [rootUuid, salt, verityUuid])
  progress({ ...step, done: 1 })
  const roothash = (await sys.disk.readFile(join(out, 'roothash'), 'utf8')).trim()
  const line = [`roothash=${roothash}`, ...bootArguments, ...kernelArguments].join(' ')
  await runScript(sys, chamber, bootScript, [line, kernel])
  await stampBootFile(sys, join(out, 'boot.efi'), lock.epochSeconds)
  progress({ ...step, done: 2 })
  await runScript(sys, chamber, packScript)
  progress({ ...step, done: 3 })
  const disk = {
    form: {
      root: await contentOf(context, join(out, 'root.erofs')),
      verity: await contentOf(context, join(out, 'root.verity')),
      roothash,
      boot: await contentOf(context, join(out, 'boot.efi')),
      kernel,
    },
    root: await storeFile(context, join(out, 'root.erofs.zst'), mediaType.diskRoot),
    verity: await storeFile(context, join(out, 'root.verity.zst'), mediaType.diskVerity),
    boot: await storeFile(context, join(out, 'boot.efi.zst'), mediaType.diskBoot),
  }
  progress({ ...step, done: 4 })
  return disk
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

async function contentOf({ sys }: TreeContext, path: string): Promise<{ digest: Digest; sizeBytes: number }> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  const file = await sys.disk.open(path, 'r')
  for await (const chunk of file.createReadStream({ highWaterMark: 1 << 20 })) {
    hash.update(chunk as Uint8Array)
    sizeBytes += (chunk as Uint8Array).length
  }
  return { digest: digestFromHex(hash.digest('hex')), sizeBytes }
}

async function storeFile({ sys, blobs }: TreeContext, path: string, type: string): Promise<Descriptor> {
  const file = await sys.disk.open(path, 'r')
  const { digest, sizeBytes } = await blobs.ingest(file.createReadStream({ highWaterMark: 1 << 20 }))
  return { mediaType: type, digest, size: sizeBytes }
}
