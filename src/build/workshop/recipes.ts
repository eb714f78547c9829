/**
 * What the cache keeps, and the number of the code that makes it: whoever changes what a step makes of the same inputs
 * raises its number, so that nothing of the old is used. All of them are in the key of a release.
 */
export const recipes = {
  agent: 2,
  base: 1,
  containerfile: 1,
  definition: 2,
  disk: 5,
  frames: 2,
  gzip: 1,
  initrd: 2,
  layer: 4,
  node: 1,
  packages: 3,
  packagesLayers: 4,
  release: 1,
  tools: 3,
  updateSize: 1,
} as const
