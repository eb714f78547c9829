import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { realSys } from './real.ts'

const { disk, exec, net } = realSys
const folder = mkdtempSync(join(tmpdir(), 'ashlar-sys-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('a durable write', () => {
  test('replaces a file whole, with its mode, and leaves nothing else', async () => {
    const path = join(folder, 'state.json')
    await disk.writeDurably(path, 'one', { mode: 0o600 })
    await disk.writeDurably(path, 'two', { mode: 0o600 })
    expect(readFileSync(path, 'utf8')).toBe('two')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['state.json'])
  })

  test('of many writers at once leaves one whole content', async () => {
    const path = join(folder, 'contended')
    const contents = Array.from({ length: 20 }, (_, index) => String(index).repeat(10_000))
    await Promise.all(contents.map((content) => disk.writeDurably(path, content)))
    expect(contents).toContain(readFileSync(path, 'utf8'))
  })
})

describe('a program', () => {
  test('is run without a shell, with just the environment it is given', async () => {
    const result = await exec.run('/usr/bin/env', [], { env: { ONE: '$HOME; ls' } })
    expect(Buffer.from(result.stdout).toString()).toBe('ONE=$HOME; ls\n')
  })

  test('reads what it is given and reports its exit code', async () => {
    const result = await exec.run('sh', ['-c', 'cat; echo no >&2; exit 3'], { stdin: 'yes' })
    expect([Buffer.from(result.stdout).toString(), result.stderr, result.exitCode]).toEqual([
      'yes',
      'no\n',
      3,
    ])
  })

  test('output comes as it is written, and whole in the end', async () => {
    const seen: string[] = []
    const { stdout } = await exec.run('sh', ['-c', 'echo one; echo two'], {
      onOutput: (chunk) => seen.push(new TextDecoder().decode(chunk)),
    })
    expect([seen.join(''), new TextDecoder().decode(stdout)]).toEqual(['one\ntwo\n', 'one\ntwo\n'])
  })

  test('that a signal ended has 128 and the number as its exit code', async () => {
    expect((await exec.run('sh', ['-c', 'kill -9 $$'])).exitCode).toBe(137)
  })

  test('that does not exist is named', async () => {
    await expect(exec.run('no-such-program', [])).rejects.toMatchObject({ code: 'program-missing' })
    await expect(exec.spawn('no-such-program', [])).rejects.toMatchObject({ code: 'program-missing' })
  })

  test('that takes too long is killed', async () => {
    await expect(exec.run('tail', ['-f', '/dev/null'], { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'timed-out',
    })
  })

  test('ends when its caller gives up', async () => {
    const controller = new AbortController()
    const running = exec.run('tail', ['-f', '/dev/null'], { signal: controller.signal })
    controller.abort()
    await expect(running).rejects.toThrow()
  })

  test('that is spawned streams its output', async () => {
    const child = await exec.spawn('sh', ['-c', 'echo a; echo b'])
    const chunks: Uint8Array[] = []
    for await (const chunk of child.stdout) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe('a\nb\n')
    expect((await child.exited).exitCode).toBe(0)
  })
})

describe('the network', () => {
  test('carries a request, its body and the answer', async () => {
    const listener = await net.listen({ host: '127.0.0.1', port: 0 }, (request, response) => {
      response.setHeader('x-method', request.method ?? '')
      request.pipe(response)
    })
    const body = (async function* () {
      yield Buffer.from('one ')
      yield Buffer.from('two')
    })()
    const answer = await net.request({ method: 'POST', url: `http://127.0.0.1:${listener.port}/`, body })
    const chunks: Uint8Array[] = []
    for await (const chunk of answer.body) chunks.push(chunk)
    expect([answer.status, answer.headers['x-method'], Buffer.concat(chunks).toString()]).toEqual([
      200,
      'POST',
      'one two',
    ])
    await listener.close(0)
  })

  test('tells a port in use, a closed port and a silent server apart', async () => {
    const silent = await net.listen({ host: '127.0.0.1', port: 0 }, () => undefined)
    const url = `http://127.0.0.1:${silent.port}/`
    await expect(net.listen({ host: '127.0.0.1', port: silent.port }, () => undefined)).rejects.toMatchObject(
      { code: 'address-in-use' },
    )
    await expect(net.request({ method: 'GET', url, idleTimeoutMs: 50 })).rejects.toMatchObject({
      code: 'timed-out',
    })
    await net.connect('127.0.0.1', silent.port, 1_000)
    await silent.close(0)
    await expect(net.request({ method: 'GET', url })).rejects.toMatchObject({ code: 'connection-failed' })
    await expect(net.connect('127.0.0.1', silent.port, 1_000)).rejects.toMatchObject({
      code: 'connection-failed',
    })
  })

  test('gives up when its caller does', async () => {
    const silent = await net.listen({ host: '127.0.0.1', port: 0 }, () =>
      controller.abort(new Error('enough')),
    )
    const controller = new AbortController()
    const asked = net.request({
      method: 'GET',
      url: `http://127.0.0.1:${silent.port}/`,
      signal: controller.signal,
    })
    await expect(asked).rejects.toThrow('enough')
    await silent.close(0)
  })
})
