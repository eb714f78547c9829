import { expect, test } from 'vitest'
import { judgeSettings, sayDateless } from './host-settings.ts'

test.each([
  ['a proxy', 'Acquire::http::Proxy "http://127.0.0.1:3128";', true],
  ['a time limit', 'Acquire::http::Timeout "1";', true],
  ['a certificate authority of its own', 'Acquire::https::CAInfo "/etc/ssl/own.pem";', true],
  ['that archives need no signature', 'Acquire::AllowInsecureRepositories "1";', false],
  ['that anybody may be the mirror', 'Acquire::https::Verify-Peer "false";', false],
  ['that anybody may be this mirror', 'Acquire::https::mirror.example.org::Verify-Peer "false";', false],
  ['that a certificate may be another host’s', 'acquire::HTTPS::verify-host "0";', false],
  ['nothing about fetching', 'APT::Install-Recommends "1";', false],
])('of a host that says %s', (_, line, isKept) => {
  expect(judgeSettings(`Acquire "";\n${line}\n`)).toEqual({ kept: isKept ? [line] : [], dateless: [] })
})

test.each([
  ['an index may have expired', 'Acquire::Check-Valid-Until "false";', true],
  ['an index may have expired, as apt prints it', 'Acquire::Check-Valid-Until "0";', true],
  ['an index may be of tomorrow', 'Acquire::Check-Date "no";', true],
  ['an index is good for long', 'Acquire::Min-ValidTime::Debian "31536000";', true],
  ['a clock may be far behind', 'Acquire::Max-FutureTime "86400";', true],
  ['all is judged', 'Acquire::Check-Valid-Until "true";', false],
  ['an index is good for less long', 'Acquire::Max-ValidTime "86400";', false],
])('of a host for which %s', (_, line, isDateless) => {
  const settings = judgeSettings(`${line}\n`)
  expect(settings).toEqual({ kept: [line], dateless: isDateless ? [line] : [] })
  expect(sayDateless(settings)?.includes(line.slice(0, -1)) ?? false).toBe(isDateless)
})
