import { IdentityError } from './errors.ts'

/** The 4 or 16 bytes of an IP address, as a certificate holds them. @throws IdentityError `address-malformed` */
export function addressBytes(address: string): Uint8Array {
  const bytes = /^\d+\.\d+\.\d+\.\d+$/.test(address) ? version4(address) : version6(address)
  if (bytes !== undefined) return bytes
  throw new IdentityError('address-malformed', `not an IP address: ${JSON.stringify(address)}`)
}

function version4(address: string): Uint8Array | undefined {
  const parts = address.split('.').map(Number)
  return parts.every((part) => part <= 255) ? Uint8Array.from(parts) : undefined
}

/** The URL parser checks the address and writes it in groups of hex digits; what is left is to fill in `::`. */
function version6(address: string): Uint8Array | undefined {
  const url = address.includes(':') ? URL.parse(`http://[${address}]`) : null
  if (url === null) return undefined
  const [head = '', tail] = url.hostname.slice(1, -1).split('::')
  const groups = (text: string) => text.split(':').filter((group) => group !== '')
  const [before, after] = [groups(head), groups(tail ?? '')]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const hex = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('')
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}
