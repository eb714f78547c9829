/** What the script of `script.ts` found, read into shape. Nothing is judged here. */
export interface Facts {
  /** Whether the system runs: sockets and the kernel's command line can be seen. */
  readonly live: boolean
  /** `/etc/os-release` */
  readonly release: Readonly<Record<string, string>>
  readonly debianVersion: string
  readonly hostname: string
  /** Installed ones, by `name` for the system's own architecture and `name:arch` for others. */
  readonly packages: ReadonlyMap<string, Package>
  readonly architecture: string
  readonly automatic: ReadonlySet<string>
  /** Whether apt has an index of Debian's archive to ask. */
  readonly indexed: boolean
  /** What the archives offer under an installed package's name. */
  readonly offers: ReadonlyMap<string, readonly Offer[]>
  /** Path → package. */
  readonly owners: ReadonlyMap<string, string>
  readonly entries: ReadonlyMap<string, Entry>
  readonly md5: ReadonlyMap<string, string>
  /** What ucf last put in place. */
  readonly ucf: ReadonlyMap<string, string>
  readonly templates: ReadonlySet<string>
  readonly changed: readonly OwnedPath[]
  readonly lost: readonly OwnedPath[]
  /** Files and folders that this user could not read. */
  readonly closed: readonly string[]
  readonly oddNames: readonly string[]
  readonly stray: readonly string[]
  readonly top: readonly string[]
  readonly users: readonly UserRow[]
  readonly groups: readonly GroupRow[]
  readonly baseAccounts: ReadonlySet<string>
  /** Account → packages whose scripts speak of it, or the sysusers.d file that declares it. */
  readonly makers: ReadonlyMap<string, readonly string[]>
  /** Links below `/etc/systemd/system` that packages made. */
  readonly enabledByPackages: ReadonlySet<string>
  readonly maskedByPackages: ReadonlySet<string>
  /** Rules of systemd.preset(5), those that count first before the others. */
  readonly presets: readonly { readonly verb: string; readonly pattern: string }[]
  readonly alternatives: readonly string[]
  readonly diversions: readonly { readonly from: string; readonly to: string; readonly by: string }[]
  readonly states: readonly { readonly kilobytes: number; readonly path: string }[]
  readonly crontabs: readonly string[]
  readonly mounts: readonly { readonly at: string; readonly type: string }[]
  readonly kernelArguments: readonly string[]
  readonly foreign: readonly { readonly by: string; readonly name: string }[]
  /** Undefined where no program there tells of them. */
  readonly sockets: readonly Socket[] | undefined
}

export interface Package {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly essential: boolean
  readonly held: boolean
  readonly depends: string
  readonly recommends: string
  readonly provides: string
  /** Path → md5 as shipped. */
  readonly conffiles: ReadonlyMap<string, string>
}

export interface Offer {
  readonly version: string
  readonly origin: string
  readonly component: string
}

export interface OwnedPath {
  readonly package: string
  readonly path: string
}

export interface Entry {
  readonly path: string
  /** As find(1) prints it: `f`, `d`, `l`, `p`, `s`, `b`, `c`. */
  readonly kind: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly sizeBytes: number
  readonly target: string
}

export interface UserRow {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
  readonly shell: string
}

export interface GroupRow {
  readonly name: string
  readonly gid: number
  readonly members: readonly string[]
}

export interface Socket {
  readonly address: string
  readonly port: number
  readonly process: string
  readonly unit: string
}
