import { memoryRegistryIndex, registryIndexContract } from '../testing/index.ts'

registryIndexContract('memory', async () => memoryRegistryIndex())
