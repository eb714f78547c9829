import { readFileSync } from 'node:fs'
import { startServer } from '../server/index.ts'
import { loadPrivateKey } from '../sign/index.ts'
import { realSys } from '../sys/index.ts'

/** A server as a process of its own, for tests that kill it: `serve-main DATA-FOLDER DIRECTOR-KEY-FILE`. */
const [dataFolder = '', directorKeyFile = ''] = process.argv.slice(2)
startServer({
  sys: realSys,
  dataFolder,
  listen: { host: '127.0.0.1', port: 0 },
  directorKey: loadPrivateKey(readFileSync(directorKeyFile, 'utf8')),
  onError: (error) => process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`),
}).then(
  ({ url, adminToken }) => process.stdout.write(`${JSON.stringify({ url, adminToken })}\n`),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = 1
  },
)
