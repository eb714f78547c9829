import { join } from 'node:path'
import type { Sys } from '../sys/index.ts'
import { BuildError } from './errors.ts'
import { mortal, toolFailure } from './workshop/index.ts'

/** What an image says of its start (image-spec, "Image Configuration"), as far as a release carries it. */
export interface ImageConfig {
  readonly User?: string
  readonly ExposedPorts?: Readonly<Record<string, object>>
  readonly Env?: readonly string[]
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly Volumes?: Readonly<Record<string, object>>
  readonly WorkingDir?: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly StopSignal?: string
}

export interface BuildahOptions {
  /** Holds `Containerfile`, `context/` and `bases/0`, `bases/1` …; all that buildah writes goes there too. */
  readonly work: string
  /** What the Containerfile calls the bases. */
  readonly names: readonly string[]
  readonly args: Readonly<Record<string, string>>
  readonly epochSeconds: number
}

/** What buildah-inspect(1) says, as far as it is read here. */
interface Inspected {
  readonly OCIv1: { readonly config: ImageConfig }
}

/** The folder of `work` in which the image's tree lies at the end. */
export const rootName = 'root'

/**
 * Nothing of the host's buildah takes part: no storage, no settings, no login. /proc and /sys are those of the new name
 * spaces, so that a RUN line sees neither the host's processes nor its links. buildah's own isolation is chroot: any
 * other wants a runtime that may make cgroups.
 */
const script = `
work=$1; shift
cd "$work"
mkdir storage run home tmp ${rootName}
mount -t proc proc /proc
mount -t sysfs -o ro sysfs /sys
echo ashlar > /proc/sys/kernel/hostname
umask 022
printf '[storage]\\ndriver = "overlay"\\ngraphroot = "%s/storage"\\nrunroot = "%s/run"\\n' "$work" "$work" > storage.conf
echo '{"default":[{"type":"insecureAcceptAnything"}]}' > policy.json
export HOME="$work/home" TMPDIR="$work/tmp" XDG_RUNTIME_DIR="$work/run"
export CONTAINERS_CONF=/dev/null CONTAINERS_REGISTRIES_CONF=/dev/null CONTAINERS_STORAGE_CONF="$work/storage.conf"
base=0
while [ "$1" != -- ]; do
  id=$(buildah pull --quiet --signature-policy policy.json "dir:$work/bases/$base")
  buildah tag "$id" "$1"
  base=$((base + 1)); shift
done
shift
buildah build --isolation chroot --pull-never --layers=false --no-hosts --signature-policy policy.json \\
  --iidfile id --output "type=local,dest=$work/${rootName}" "$@" --file Containerfile context
chmod 0755 ${rootName}
buildah inspect --type image "$(cat id)" > image.json
`

/** Builds a Containerfile from what lies in `work` and nothing else. @throws BuildError `run-failed`, `network-refused`, `disk-full` */
export async function buildWithBuildah(
  sys: Sys,
  { work, names, args, epochSeconds }: BuildahOptions,
): Promise<ImageConfig> {
  // Told by name where it is not installed.
  await sys.exec.run('buildah', ['--version'])
  const buildArguments = { ...args, SOURCE_DATE_EPOCH: String(epochSeconds) }
  const result = await sys.exec.run(
    'setpriv',
    [
      ...mortal,
      ...['unshare', '--mount', '--net', '--ipc', '--uts', '--', 'sh', '-euc', script, 'ashlar'],
      ...[work, ...names, '--', `--timestamp=${epochSeconds}`],
      ...Object.entries(buildArguments).map(([name, value]) => `--build-arg=${name}=${value}`),
    ],
    { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', TZ: 'UTC' } },
  )
  if (result.exitCode !== 0) throw await failureOf(sys, result, work)
  const image = JSON.parse(await sys.disk.readFile(join(work, 'image.json'), 'utf8')) as Inspected
  return image.OCIv1.config
}

const networkWords =
  /Temporary failure in name resolution|Could not resolve|Network is unreachable|bad address|no such host|connection refused|dial (?:tcp|udp)/i

async function failureOf(
  sys: Sys,
  result: Parameters<typeof toolFailure>[2],
  work: string,
): Promise<BuildError> {
  const failure = await toolFailure(sys, 'buildah', result, work)
  if (failure.code !== 'tool-failed') return failure
  const step = /building at STEP "(.*?)":/s.exec(result.stderr)?.[1]
  if (networkWords.test(failure.message))
    return new BuildError(
      'network-refused',
      `a step of the Containerfile wants a network, which a build has not: ${failure.message}`,
      {
        where: step,
        hint: 'put what it fetches into the base image, or beside the Containerfile and COPY it; then run ashlar lock',
      },
    )
  if (step === undefined) return failure
  return new BuildError('run-failed', `a step of the Containerfile failed: ${failure.message}`, {
    where: step,
    hint: 'it runs without a network, on locked base images: whatever it needs has to be in one of them or in the context',
  })
}
