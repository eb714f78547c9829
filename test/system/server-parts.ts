import { type Client, createClient } from '../../src/api/index.ts'
import { createNodeKey } from '../../src/identity/index.ts'
import type { RunningServer } from '../../src/server/index.ts'
import { realSys } from '../../src/sys/index.ts'
import { TestNode } from '../../src/testing/index.ts'

export function clientOf({ url }: RunningServer, credential: string): Client {
  return createClient({ net: realSys.net, url, credential: () => credential })
}

export async function enrolAt(
  server: RunningServer,
  admin: Client,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<TestNode> {
  const { token } = await admin.createToken({ is: 'enrolment', node: name, labels })
  const { publicKey, privateKey } = createNodeKey()
  const { epoch } = await clientOf(server, `Bearer ${token}`).enrol(publicKey)
  return new TestNode(realSys, name, privateKey, epoch, () => server.url)
}
