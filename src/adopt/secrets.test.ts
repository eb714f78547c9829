import { describe, expect, test } from 'vitest'
import { contentOf, secretContent, secretName } from './secrets.ts'

const judge = (text: string, path = '/etc/app/app.conf') => {
  const bytes = Buffer.from(text, 'latin1')
  return secretContent(path, bytes, contentOf(bytes))
}
const base64 = 'MC4CAQAwBQYDK2VwBCIEIFz3mUu0hP2dUeGx5yF9x0mI1c7kq8h3v6rT2bQ4wYz'

describe('a text with', () => {
  test.each([
    ['a private key', `-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----`],
    ['a key in a line of its own', `key = "-----BEGIN RSA PRIVATE KEY-----\\n${base64}"`],
    ['a password', 'password = hunter2'],
    ['a password in quotes', `"db_password": "hunter2",`],
    ['a password that was commented out', '# password = hunter2'],
    ['a password as a statement', 'requirepass hunter2'],
    ['a password as a statement of two words', 'user password hunter2;'],
    ['a shell variable that holds one', "export API_TOKEN='hunter2'"],
    ['a password in an address', 'url = postgres://app:hunter2@db/app'],
    ['a password in a call', 'ExecStart=/usr/bin/app --db-password hunter2 --port 80'],
    ['a password in a call of curl', 'curl -u admin:hunter2 https://db/'],
    ['a password in a call of mysql', 'mysqldump -u root -phunter2 app'],
    ['a password in XML', '<db><password>hunter2</password></db>'],
    ['a password of netrc', 'machine db login app password hunter2'],
    ['a password that begins as a variable does', 'password = $hunter-2'],
    ['the default of a variable', `password = \${PASSWORD:-hunter2}`],
    ['a key without a header', 'id yAnz5TF/lXXJte14tji3zlMNq/hd2rYUIgJBgB3fBmk'],
    ['a header', 'proxy_set_header Authorization "Basic aHVudGVyMg";'],
    ['a password hash', 'admin:$6$saltsalt$3yUQxq1F5vJZk0rD8d'],
    ['a hash of a web server', 'admin:$apr1$saltsalt$3yUQxq1F5vJZk0rD8d'],
    ['a hash of a directory', 'userPassword: {SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g='],
    ['an access token', `id ghp_${'a1B2'.repeat(9)}`],
    ['a long random word', 'id Zk3vQ9xT7mB2nL5cR8wY1pJ4'],
    ['long hexadecimal', `id ${'0a1b2c3d'.repeat(5)}`],
    ['a wireguard key', 'PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='],
    ['a community of snmp', 'rocommunity hunter2'],
  ])('%s is a secret', (_, text) => expect(judge(text)).toBeTypeOf('string'))

  test.each([
    ['a switch of sshd', 'PasswordAuthentication no\nPermitRootLogin prohibit-password\n'],
    ['a sentence about passwords', '# password: the one that you were given by mail'],
    ['a variable', `mysql --password="$PASSWORD"`],
    ['a variable in braces', `password = \${DB_PASSWORD}`],
    ['a placeholder', 'password = <your-password>\ntoken = {{token}}'],
    ['a file that holds the password', 'password_file = /run/credentials/app'],
    ['a path', 'include /usr/lib/x86_64-linux-gnu/App-2/modules/Thing3.so'],
    ['a long name', 'KbdInteractiveAuthentication yes\nAVeryLongCamelCaseIdentifierOfJava2 = 1'],
    ['a certificate', `-----BEGIN CERTIFICATE-----\n${base64}=\n-----END CERTIFICATE-----`],
    ['a public key of ssh', `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${base64} me@there`],
    ['an address', 'url = https://example.org:8443/a/b'],
    ['rewriting of nginx', 'rewrite ^/(.*)/(.*)$ /$1/$2?x=$3 last;'],
    ['a uuid', 'UUID=0a1b2c3d-1111-2222-3333-444455556666'],
  ])('%s is none', (_, text) => expect(judge(text)).toBeUndefined())

  test('names of databases are none in the file that lists them, a key there is', () => {
    expect(judge('passwd: files systemd', '/etc/nsswitch.conf')).toBeUndefined()
    expect(judge('passwd: files systemd')).toBeTypeOf('string')
    expect(judge('-----BEGIN PRIVATE KEY-----', '/etc/nsswitch.conf')).toBe('a private key')
  })
})

describe('content', () => {
  test.each([
    ['text', Buffer.from('a\tb\nö\n'), 'text'],
    ['nothing', Buffer.alloc(0), 'text'],
    ['a program', Buffer.from('\u007fELF\0\0'), 'program'],
    ['what is compressed', Buffer.from([0x1f, 0x8b, 8, 0]), 'opaque'],
    ['text with a zero byte at its end', Buffer.from(`${'a'.repeat(100_000)}\0`), 'opaque'],
  ])('%s', (_, bytes, kind) => expect(contentOf(bytes)).toBe(kind))

  test('a program may speak of keys, and may not have one', () => {
    const program = (text: string) => judge(`\u007fELF\0${text}`, '/usr/local/bin/app')
    expect(program('-----BEGIN PRIVATE KEY-----\0-----END PRIVATE KEY-----\0')).toBeUndefined()
    expect(program(`\0ghp_${'a1B2'.repeat(9)}\0`)).toBe('an access token')
    expect(program(`-----BEGIN PRIVATE KEY-----\n${base64}${base64}\n`)).toBe('a private key')
  })
})

test.each([
  ['/etc/app/server.key', true],
  ['/etc/app/db-password', true],
  ['/etc/app/.env', true],
  ['/etc/app/prod.env', true],
  ['/opt/app/id_ed25519', true],
  ['/opt/app/.ssh/config', true],
  ['/etc/wireguard/wg0.conf', true],
  ['/etc/krb5.keytab', true],
  ['/etc/nginx/.htpasswd', true],
  ['/etc/default/keyboard', false],
  ['/etc/pam.d/common-password', false],
  ['/etc/nginx/nginx.conf', false],
  ['/usr/local/bin/monkey', false],
])('%s: a name of a secret? %s', (path, is) => expect(secretName(path) !== undefined).toBe(is))

test.each([
  ['words after words', 'pass'],
  ['options after options', ' --pass-'],
  ['an option that does not end', '-a'],
  ['elements that do not end', '<pass'],
  ['an element that does not end', 'pass '],
  ['calls after calls', 'mysql '],
  ['a call that does not end', '-mysql'],
  ['tokens after tokens', '-eyJaaaaaaaaaa'],
  ['certificates that do not end', '-----BEGIN CERTIFICATE-----'],
  ['keys of hardware that do not end', 'sk-'],
  ['a header and nothing', ' '],
  ['addresses', '://a:b'],
  ['a comment of assignments', 'pass=xx,'],
])('a long line is looked through in a moment: %s', (_, words) => {
  const began = process.cpuUsage()
  for (const start of ['', '# ', '<', 'authorization', 'login ', ' --', '"'])
    judge(`${start}${words.repeat(100_000 / words.length)}`)
  const { user } = process.cpuUsage(began)
  expect(user).toBeLessThan(1_500_000)
})
