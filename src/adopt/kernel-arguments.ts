import type { Finding } from '../core/index.ts'
import type { Facts } from './facts.ts'

export interface KernelArgumentPlan {
  readonly kernelArguments: readonly string[]
  readonly findings: readonly Finding[]
}

/** Names that mean the same on another machine; any other may stand for a disk, an address or a secret. */
const plain = new Set([
  ...[
    'console',
    'loglevel',
    'net.ifnames',
    'biosdevname',
    'ipv6.disable',
    'mitigations',
    'nosmt',
    'vsyscall',
  ],
  ...['isolcpus', 'nohz_full', 'rcu_nocbs', 'irqaffinity', 'preempt', 'threadirqs', 'clocksource', 'tsc'],
  ...['hugepages', 'hugepagesz', 'default_hugepagesz', 'transparent_hugepage', 'numa', 'numa_balancing'],
  ...[
    'intel_iommu',
    'amd_iommu',
    'iommu',
    'pcie_aspm',
    'intel_pstate',
    'amd_pstate',
    'intel_idle.max_cstate',
  ],
  ...['processor.max_cstate', 'nmi_watchdog', 'nowatchdog', 'elevator', 'cgroup_enable', 'swapaccount'],
  ...[
    'apparmor',
    'security',
    'lsm',
    'audit',
    'audit_backlog_limit',
    'init_on_alloc',
    'slab_nomerge',
    'page_poison',
  ],
])
const plainValue = /^[A-Za-z0-9.,:_-]+$/
/** What a boot loader or the initrd of that machine is told. */
const ofBoot = new Set([
  ...[
    'BOOT_IMAGE',
    'root',
    'rootfstype',
    'rootflags',
    'rootdelay',
    'ro',
    'rw',
    'quiet',
    'splash',
    'initrd',
    'init',
  ],
  ...['resume', 'noresume', 'rhgb', 'vt.handoff', 'systemd.show_status', 'panic'],
])

export function planKernelArguments({ kernelArguments }: Facts): KernelArgumentPlan {
  const kept: string[] = []
  const left: string[] = []
  for (const argument of new Set(kernelArguments)) {
    const [name = '', ...rest] = argument.split('=')
    if (plain.has(name) && (rest.length === 0 || plainValue.test(rest.join('=')))) kept.push(argument)
    // Only its name: the value may be a secret.
    else if (!ofBoot.has(name)) left.push(name)
  }
  if (left.length === 0) return { kernelArguments: kept, findings: [] }
  const message = `these may mean only that machine: ${[...new Set(left)].join(', ')}`
  const hint = 'add those that every node needs'
  return {
    kernelArguments: kept,
    findings: [{ code: 'kernel-argument', message, where: 'spec.kernel.arguments', hint }],
  }
}
