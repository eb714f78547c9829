/** Whether a host is this machine alone, so that what is sent to it never leaves it. An IPv6 address may stand in brackets, as in a URL. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|::1|\[::1\]|127(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3})$/.test(host)
}
