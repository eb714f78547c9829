// Fixtures for tests: stand-ins for what a test is not about, and the contracts that implementations share.
export { keepEntry } from './cache-entry.ts'
export { type ArchivePackages, type DebianArchive, debianArchive } from './debian-archive.ts'
export {
  type CraftedEntry,
  craftAr,
  craftControl,
  craftPackage,
  craftTar,
  honestFields,
} from './hostile-archive.ts'
export { memoryRegistryIndex } from './memory-registry-index.ts'
export { type NodeFixture, nodeFixture } from './node-fixture.ts'
export { packFrames } from './packed-frames.ts'
export { registryIndexContract } from './registry-index-contract.ts'
export { type ReleaseFixture, releaseFixture } from './release-fixture.ts'
export { basic, type RegistryAnswer, type TestRegistry, testRegistry } from './test-registry.ts'
export { fleetOf, statusRunning, TestNode, type TestServer, testServer } from './test-server.ts'
